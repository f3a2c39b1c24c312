// The published rivals of ScaleKV, carried over from language models and other VAR work to scales, at equal bytes: each
// takes the same mean tokens a layer and head as `scalekv` does for the same share. One file each; docs/ALGORITHM.md
// has their sources and what was ambiguous.
#pragma once

#include "cache/policy.h"

namespace scalekv::cache {

// The most recent tokens (Longformer's window, arXiv 2004.05150).
Policy make_sliding_window(const PolicyRequest& request, const CacheGeometry& geometry);
// The first tokens, which serve as attention sinks, and the most recent (StreamingLLM, arXiv 2309.17453).
Policy make_streaming_llm(const PolicyRequest& request, const CacheGeometry& geometry);
// The first two scales and the most recent ones (AMS-KV, arXiv 2511.16047).
Policy make_ams_kv(const PolicyRequest& request, const CacheGeometry& geometry);
// What the last 16 queries of the current map attend to (SnapKV, arXiv 2404.14469).
Policy make_snapkv(const PolicyRequest& request, const CacheGeometry& geometry);
// SnapKV's tokens with a budget that falls from the first layer to the last (PyramidKV, arXiv 2406.02069).
Policy make_pyramidkv(const PolicyRequest& request, const CacheGeometry& geometry);
// The heavy hitters: tokens that have received most attention so far, and recent ones (H2O, arXiv 2306.14048).
Policy make_h2o(const PolicyRequest& request, const CacheGeometry& geometry);

// PyramidKV's capacities of one row: falling linearly over `layers` layers around `mean`, none above `history` (the
// excess goes to the others) nor below 1; they add up to layers x mean where layers x history allows it.
std::vector<std::int64_t> pyramid_row(int layers, std::int64_t mean, std::int64_t history);

}  // namespace scalekv::cache
