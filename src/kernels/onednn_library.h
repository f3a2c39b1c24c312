// oneDNN is opened when a product first needs it, not linked: commands that multiply nothing start without it, and a
// program that has a oneDNN of its own, of another version, runs beside ours.
#pragma once

namespace scalekv::kernels {

// The shared library that is opened, by the name that it had when we were built: "libdnnl.so.2".
extern const char* const kOnednnLibrary;

// How many threads of OpenMP oneDNN's calls from this thread may use; sets it and returns what it was. Does nothing
// where oneDNN was built on something else. Throws Error where oneDNN cannot be opened.
int set_onednn_threads(int threads);

}  // namespace scalekv::kernels
