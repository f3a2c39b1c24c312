#include "engine/run.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "engine/memory_plan.h"
#include "engine/text_room.h"
#include "infinity/latent.h"
#include "kernels/resample.h"
#include "runtime/available_memory.h"
#include "runtime/stopwatch.h"
#include "vae/quantizer.h"

namespace scalekv::engine {
namespace {

// The texts of a request's pictures.
struct Texts {
  std::vector<EncodedTexts::Ids> different;    // in the order in which they appear
  std::vector<std::size_t> prompts, negative;  // of each picture, in `different`
  std::vector<PromptLength> lengths;           // of each picture's prompt

  std::vector<TextLengths> tokens() const {
    std::vector<TextLengths> list;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      list.push_back({std::ssize(different[prompts[i]]), std::ssize(different[negative[i]])});
    }
    return list;
  }
};

Texts tokenize(const Model& model, const Request& common, std::span<const Prompt> pictures) {
  Texts texts;
  std::map<std::string, std::pair<std::size_t, PromptLength>> known;
  const auto find = [&](const std::string& text) -> const std::pair<std::size_t, PromptLength>& {
    const auto [found, is_new] = known.try_emplace(text);
    auto& [index, length] = found->second;
    if (!is_new) return found->second;
    PromptTokens read = text.empty() ? PromptTokens() : model.tokenizer->read(text);
    length = {std::ssize(read.ids) + read.cut, read.cut};
    const auto same = std::find(texts.different.begin(), texts.different.end(), read.ids);
    index = static_cast<std::size_t>(same - texts.different.begin());
    if (same == texts.different.end()) texts.different.push_back(std::move(read.ids));
    return found->second;
  };
  for (const Prompt& picture : pictures) {
    const auto& [prompt, length] = find(common.face_prompt ? with_face_prompt(picture.text) : picture.text);
    texts.prompts.push_back(prompt);
    texts.lengths.push_back(length);
    texts.negative.push_back(find(picture.negative).first);
  }
  return texts;
}

// What previews take while pictures are drawn.
MapSize preview_size(const Model& model, MapSize latent, int pixels) {
  const std::int64_t most = std::max<std::int64_t>(1, pixels / model.sizes.vae.stride());
  const std::int64_t longer = std::max(latent.height, latent.width);
  if (longer <= most) return latent;
  return {std::max<std::int64_t>(1, latent.height * most / longer),
          std::max<std::int64_t>(1, latent.width * most / longer)};
}

std::int64_t preview_bytes(const Model& model, MapSize size) {
  return size.tokens() * model.sizes.vae.codebook * model::kFloatBytes +
         model.backend->plan_decoding(model.sizes.vae, size);
}

Image preview(const Model& model, const Tensor& latent, MapSize size) {
  Tensor small(DType::f32, {size.height, size.width, latent.shape()[2]}, MemoryKind::vae);
  kernels::resample_area(latent.view<float>(), small.view<float>());
  return decode(model, small);
}

void count_memory(Statistics& statistics) {
  statistics.kv_bytes_peak = ledger().peak(MemoryKind::kv);
  for (int kind = 0; kind < kMemoryKinds; ++kind) {
    const auto memory = static_cast<MemoryKind>(kind);
    statistics.peak_bytes[std::string(memory_kind_name(memory))] = ledger().peak(memory);
  }
}

}  // namespace

Batch batch_of(View<const float> text, View<const float> negative, ImageSeed first, int count) {
  Batch batch;
  for (int i = 0; i < count; ++i) {
    batch.texts.push_back(text);
    if (!negative.empty()) batch.negative.push_back(negative);
    batch.seeds.push_back({first.seed, first.image + static_cast<std::uint32_t>(i)});
  }
  return batch;
}

Image decode(const Model& model, const Tensor& latent) {
  return to_image(model.backend->decode(latent.view<float>()).view<float>());
}

namespace {

// One request's pictures, a batch after the other.
class Run {
 public:
  Run(Model& model, const ResolvedRequest& common, std::span<const Prompt> pictures, const ProgressCallback& progress,
      const Previews& previews)
      : model_(model),
        common_(common),
        pictures_(pictures),
        progress_(progress),
        previews_(previews),
        scales_(static_cast<int>(common.generation.schedule.scales.size())),
        preview_size_(preview_size(
            model, infinity::latent_size(model.sizes.transformer, common.generation.schedule.scales.back()),
            previews.pixels)) {}

  Result draw() && {
    Statistics& statistics = result_.statistics;
    Stopwatch watch;
    const Texts texts = tokenize(model_, common_.request, pictures_);
    model_.texts.keep_only(texts.different);
    ledger().reset_peaks();
    const MemoryPlan plan = plan_texts(texts);
    const MemoryClaim claim =
        claim_memory(plan.peak(), model_.options, [&] { return make_question(files_of(model_), longest()); });
    const std::vector<View<const float>> features = model_.texts.encode(model_.text_encoder, texts.different);
    statistics.seconds_text = watch.lap();
    const auto together = static_cast<std::size_t>(common_.request.batch);
    for (std::size_t first = 0; first < pictures_.size(); first += together) {
      const std::size_t count = std::min(together, pictures_.size() - first);
      Drawn drawn = engine::draw(*model_.backend, common_.generation, batch(texts, features, first, count),
                                 observers(static_cast<int>(first)));
      return_freed_memory();  // the image tokenizer's maps come next, and are larger
      statistics.seconds_transformer += watch.lap();
      for (Tensor& latent : drawn.latents) {
        result_.images.push_back(decode(model_, latent));
        latent = Tensor();
      }
      statistics.seconds_decode += watch.lap();
    }
    statistics.seconds = statistics.seconds_text + statistics.seconds_transformer + statistics.seconds_decode;
    statistics.kv_bytes_peak_full = plan.kv_full;
    count_memory(statistics);
    statistics.scales = scales_;
    for (const MapSize& map : common_.generation.schedule.scales) statistics.tokens += map.tokens();
    result_.prompts = texts.lengths;
    return std::move(result_);
  }

 private:
  MemoryPlan plan_texts(const Texts& texts) const {
    TextTokens tokens(texts.tokens(), common_);
    for (const EncodedTexts::Ids& ids : texts.different) tokens.encoded.push_back(std::ssize(ids));
    MemoryPlan plan = plan_memory(*model_.backend, model_.sizes, common_, tokens, model_.options.keep_text_encoder);
    if (previews_.show) plan.drawing += preview_bytes(model_, preview_size_);
    return plan;
  }

  // The request by which a refusal gives advice: its longest prompt's.
  ResolvedRequest longest() const {
    const auto longer = [](const Prompt& a, const Prompt& b) { return a.text.size() < b.text.size(); };
    const Prompt& prompt = *std::max_element(pictures_.begin(), pictures_.end(), longer);
    return common_.of(prompt.text, prompt.seed);
  }

  Batch batch(const Texts& texts, const std::vector<View<const float>>& features, std::size_t first,
              std::size_t count) const {
    Batch batch;
    bool negative = false;
    for (std::size_t i = first; i < first + count; ++i) {
      batch.texts.push_back(features[texts.prompts[i]]);
      batch.negative.push_back(features[texts.negative[i]]);
      batch.seeds.push_back({pictures_[i].seed, static_cast<std::uint32_t>(pictures_[i].image)});
      negative = negative || !batch.negative.back().empty();
    }
    if (!negative) batch.negative.clear();
    return batch;
  }

  Observers observers(int first) const {
    Observers observers;
    const auto images = static_cast<int>(pictures_.size());
    if (progress_) {
      observers.progress = [this, first, images](int scale) {
        return progress_({.image = first, .images = images, .scale = scale + 1, .scales = scales_});
      };
    }
    if (!previews_.show) return observers;
    observers.preview = [this, first](int scale, const std::vector<Tensor>& latents) {
      if (scale + 1 == scales_) return;
      for (std::size_t i = 0; i < latents.size(); ++i) {
        previews_.show({.image = first + static_cast<int>(i),
                        .scale = scale + 1,
                        .scales = scales_,
                        .picture = preview(model_, latents[i], preview_size_),
                        .latent = {latents[i].view<float>().data(), static_cast<std::size_t>(latents[i].elements())},
                        .latent_height = latents[i].shape()[0],
                        .latent_width = latents[i].shape()[1],
                        .latent_channels = latents[i].shape()[2]});
      }
    };
    return observers;
  }

  Model& model_;
  const ResolvedRequest& common_;
  std::span<const Prompt> pictures_;
  const ProgressCallback& progress_;
  const Previews& previews_;
  int scales_;
  MapSize preview_size_;
  Result result_;
};

}  // namespace

Result run(Model& model, const ResolvedRequest& request, const ProgressCallback& progress, const Previews& previews) {
  const Request& one = request.request;
  std::vector<Prompt> pictures;
  for (int image = 0; image < one.images; ++image)
    pictures.push_back({one.prompt, one.seed, one.negative_prompt, image});
  return run(model, request, pictures, progress, previews);
}

Result run(Model& model, const ResolvedRequest& common, std::span<const Prompt> pictures,
           const ProgressCallback& progress, const Previews& previews) {
  return Run(model, common, pictures, progress, previews).draw();
}

Image reconstruct(const Model& model, const Image& image, const std::string& size) {
  const model::ModelSizes& sizes = model.sizes;
  if (!model.encoder) {
    fail("{} has no VAE encoder (it was converted without one), so pictures cannot be turned into bits", sizes.name);
  }
  const double aspect = static_cast<double>(image.height) / static_cast<double>(image.width);
  const infinity::Schedule schedule = infinity::make_schedule(aspect, size.empty() ? sizes.defaults.size : size);
  const MemoryClaim claim =
      claim_memory(plan_reconstruction(*model.backend, sizes, schedule, image).peak(), model.options,
                   [&] { return make_reconstruction_question(files_of(model), image, size); });
  std::vector<MapSize> scales;
  for (const MapSize& map : schedule.scales) scales.push_back(infinity::latent_size(sizes.transformer, map));
  const std::int64_t stride = sizes.vae.stride();
  const Tensor pixels = to_pixels(image, scales.back().height * stride, scales.back().width * stride);
  const Tensor features = model.encoder->encode(pixels.view<float>());
  return decode(model, vae::quantize(features.view<float>(), scales).sum);
}

Image to_image(View<const float> pixels) {
  Image image{.width = pixels.size(1), .height = pixels.size(0), .rgb = {}};
  image.rgb.reserve(static_cast<std::size_t>(pixels.elements()));
  for (std::int64_t i = 0; i < pixels.elements(); ++i) {
    const float clamped = std::clamp(pixels.data()[i], -1.0F, 1.0F);
    image.rgb.push_back(static_cast<std::uint8_t>((clamped + 1.0F) / 2.0F * 255.0F));
  }
  return image;
}

Tensor to_pixels(const Image& image, std::int64_t height, std::int64_t width) {
  if (image.width < 1 || image.height < 1) fail("the picture has no pixels");
  // The largest centred part of the target's aspect.
  const std::int64_t cut_width = std::clamp<std::int64_t>(image.height * width / height, 1, image.width);
  const std::int64_t cut_height = std::clamp<std::int64_t>(image.width * height / width, 1, image.height);
  const std::int64_t left = (image.width - cut_width) / 2;
  const std::int64_t top = (image.height - cut_height) / 2;
  Tensor cut(DType::f32, {cut_height, cut_width, 3}, MemoryKind::vae);
  const View<float> source = cut.view<float>();
  for (std::int64_t y = 0; y < cut_height; ++y) {
    for (std::int64_t x = 0; x < cut_width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        const auto byte = image.rgb[static_cast<std::size_t>(((top + y) * image.width + left + x) * 3 + c)];
        const float unit = static_cast<float>(byte) / 255.0F;
        source(y, x, c) = unit + unit - 1.0F;
      }
    }
  }
  if (cut_height == height && cut_width == width) return cut;
  Tensor resized(DType::f32, {height, width, 3}, MemoryKind::vae);
  const bool shrinks = cut_height >= height && cut_width >= width;
  shrinks ? kernels::resample_area(source, resized.view<float>())
          : kernels::resample_linear(source, resized.view<float>());
  return resized;
}

}  // namespace scalekv::engine
