#include "cli/run_settings.h"

#include "pipeline/fingerprint.h"

namespace scalekv::cli {

Settings run_settings(Settings described, const ModelOptions& model) {
  for (const char* of_one_picture : {"prompt", "image", "kernels"}) described.erase(of_one_picture);
  described["scalekv"] = SCALEKV_VERSION;
  described["model_sha256"] = pipeline::model_fingerprint(model.model, model.open);
  return described;
}

}  // namespace scalekv::cli
