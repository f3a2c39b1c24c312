// A request as a person reads it: what a picture says of itself, and what runs that go on must have in common.
#pragma once

#include <filesystem>
#include <string>

#include "base/settings.h"
#include "engine/resolved_request.h"
#include "scalekv/pipeline.h"

namespace scalekv::engine {

Settings describe_request(const Model& model, const ResolvedRequest& request);

// What everything has in common that this program makes of a model on this machine.
Settings describe_origin(Model& model);

// What a run that goes on where another stopped must share with it. described: a request of the run, as
// describe_request or describe_picture has it. What only one picture or machine has makes way for the program's version
// and for what the model's files hold. Throws Error naming a file that cannot be read.
Settings describe_run(Settings described, Model& model);

// Both, for picture number `image` of a request: all that it depends on.
Settings describe_picture(Model& model, const ResolvedRequest& request, int image = 0);

// Which model it is, by its bytes: a SHA-256 over the sizes of a model's files and 4,096 blocks of 1 KiB spread evenly
// over each (all bytes of files up to 4 MiB): equal for copies of a model, and different for others without reading
// them all. The names of files do not matter; of random weights it is over the architecture's name. The same arguments
// as Pipeline::open. Throws Error naming a file that cannot be read.
std::string model_fingerprint(const std::filesystem::path& model, const OpenOptions& options);

// The same of the calibration that a policy would use: the one that is named, else the one beside the model or, where
// no model is named, the embedded one. Empty where there is none or it is part of the model's file.
std::string calibration_fingerprint(const std::filesystem::path& model, const OpenOptions& options,
                                    const std::filesystem::path& calibration);

}  // namespace scalekv::engine
