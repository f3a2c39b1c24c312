// The names under which other people's checkpoints hold a network's tensors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor_source.h"

namespace scalekv::model {

// A name without what wrappers of modules put into it: "_orig_mod." (torch.compile), "module." (DDP),
// "_fsdp_wrapped_module." (FSDP), "_checkpoint_wrapped_module.", "_forward_module.". Infinity's own "module." in
// "block_chunks.0.module.1." stays.
std::string unwrapped(std::string_view name);

// What stands before a network's names in a checkpoint: "" or "gpt." or "trainer.gpt_fsdp.", unwrapped.
struct WeightPrefix {
  std::string text;
  bool averaged = false;  // it says EMA: an exponential moving average of the weights
};

// Every prefix under which a source has something, tensor or not, of the (unwrapped) name `marker`; the one that is
// taken when nothing else is asked for comes first: weights before averages before an optimizer's, then the shortest.
std::vector<WeightPrefix> find_prefixes(const formats::TensorSource& source, std::string_view marker);

}  // namespace scalekv::model
