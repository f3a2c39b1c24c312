// How long work tells how far it is, and shows what there is of a picture.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "scalekv/image.h"

namespace scalekv {

struct Progress {
  int image = 0;   // first image of the batch that is being drawn
  int images = 1;  // of how many
  int scale = 0;   // scales done
  int scales = 0;  // of how many
};

// Called after every scale; return false to cancel (generate then throws Cancelled).
using ProgressCallback = std::function<bool(const Progress&)>;

// An image as it is after a scale.
struct Preview {
  int image = 0;  // which of the request's
  int scale = 0;  // scales done
  int scales = 0;
  Image picture;
  // The sum of codes so far at the picture's own latent size, [height, width, channels]; only while it is shown.
  std::span<const float> latent = {};
  std::int64_t latent_height = 0, latent_width = 0, latent_channels = 0;
};

// Previews of every image after every scale but the last, before its progress is told.
struct Previews {
  // Empty: none, at no cost.
  std::function<void(const Preview&)> show = {};
  // The longer side at most, in pixels. A preview decodes a latent map of its own size: it costs as much of decoding
  // the picture as it has of its pixels, in time and memory (a 256 of 1024: a sixteenth, times images and scales).
  // Pictures do not depend on them.
  int pixels = 128;
};

// Is told the share of work on files or lists that is done (0 to 1), and what is being done; return false to stop it
// (Cancelled is thrown). May be empty.
using WorkCallback = std::function<bool(double share, std::string_view what)>;

}  // namespace scalekv
