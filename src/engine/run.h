// What a loaded model does: draw a request, and turn a picture into bits and back.
#pragma once

#include <span>

#include "engine/draw.h"
#include "engine/resolved_request.h"
#include "runtime/tensor.h"
#include "scalekv/image.h"

namespace scalekv::engine {

// Images of one text that are drawn together: `count` of them, the first with the number `first.image`. What is
// borrowed must live as long as the batch.
Batch batch_of(View<const float> text, View<const float> negative, ImageSeed first, int count = 1);

// Draws all images of the request, a batch after the other. Throws Error where it takes more memory than the model's
// options or the system allow, and Cancelled when `progress` says so.
Result run(Model& model, const ResolvedRequest& request, const ProgressCallback& progress = {},
           const Previews& previews = {});
// The same of these pictures, at least one, of a request that was resolved for them (resolve_pictures).
Result run(Model& model, const ResolvedRequest& common, std::span<const Prompt> pictures,
           const ProgressCallback& progress = {}, const Previews& previews = {});

// The picture of a latent map.
Image decode(const Model& model, const Tensor& latent);

// As Pipeline::reconstruct.
Image reconstruct(const Model& model, const Image& image, const std::string& size);

// Between pictures and the VAE's pixels.
// [H, W, 3] in -1..1 -> 8 bits a channel, cut off (not rounded) as the reference does. Values outside are clamped.
Image to_image(View<const float> pixels);

// Cut at the centre to the aspect of height x width, resized (area mean down, linear up), in -1..1: [height, width, 3].
Tensor to_pixels(const Image& image, std::int64_t height, std::int64_t width);

}  // namespace scalekv::engine
