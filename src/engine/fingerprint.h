// Which model it is, by its bytes.
#pragma once

#include <filesystem>
#include <string>

#include "scalekv/pipeline.h"

namespace scalekv::engine {

// A SHA-256 over the sizes of a model's files and 4,096 blocks of 1 KiB spread evenly over each (all bytes of files up
// to 4 MiB): equal for copies of a model, and different for others without reading them all. The names of files do not
// matter; of random weights it is over the architecture's name. The same arguments as Pipeline::open. Throws Error
// naming a file that cannot be read.
std::string model_fingerprint(const std::filesystem::path& model, const OpenOptions& options);

// The same of the calibration that a policy would use: the one that is named, else the one beside the model or, where
// no model is named, the embedded one. Empty where there is none or it is part of the model's file.
std::string calibration_fingerprint(const std::filesystem::path& model, const OpenOptions& options,
                                    const std::filesystem::path& calibration);

}  // namespace scalekv::engine
