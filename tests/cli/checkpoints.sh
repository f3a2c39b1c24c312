#!/usr/bin/env bash
# Runs the command line on checkpoints as other people's training leaves them: wrapped names, averages, tensors of kinds that
# are not read, files that are no model. Usage: checkpoints.sh path/to/scalekv MODEL, the model being the one that is built in.
here=$(realpath "$(dirname "$0")")
# shellcheck source=tests/cli/expect.sh
source "$here/expect.sh"
# shellcheck source=tests/cli/model_files.sh
source "$here/model_files.sh"
model=$(cd "$OLDPWD" && realpath "$2")

settings=(--seed 4 --size 0.06M --policy h2o)
expect 0 'whole.png' -- generate "a red circle" --model "$model" "${settings[@]}" --cfg 3 --tau 1 -o whole.png

# Names as torch.compile, DDP and FSDP leave them in the official trainer's file.
rewrite "$model" wrapped.safetensors 's/"gpt\.\(block_chunks\.[0-9]*\)\.module/"gpt.\1._fsdp_wrapped_module.module/g
  s/"gpt\./"trainer.gpt_fsdp._orig_mod./g; s/"vae\.\([a-z]*\)/"trainer.vae_local.module.\1/g; s/"t5\./"t5.module./g'
expect 0 'wrapped.png' -- generate "a red circle" --model wrapped.safetensors "${settings[@]}" --cfg 3 --tau 1 -o wrapped.png
same_picture whole.png wrapped.png
expect 0 'every tensor is there' -- inspect wrapped.safetensors --check
expect 0 'tensors' -- convert --model wrapped.safetensors --weights f32 -o converted.safetensors
header converted.safetensors | grep -q '_orig_mod\|wrapped\|trainer' && fault "a converted file keeps names of wrappers"
expect 0 'converted.png' -- generate "a red circle" --model converted.safetensors "${settings[@]}" --cfg 3 --tau 1 -o converted.png
same_picture whole.png converted.png
bias=ffn.fc1.bias
first=gpt.block_chunks.0.module.0.$bias
other=gpt.block_chunks.0.module.1.$bias
rewrite "$model" equal.safetensors "s/\"$other\"/\"module.$first\"/"
expect 1 "equal.safetensors.*\"$first\" and \"module.$first\"" -- generate "x" --model equal.safetensors

# Averages: the weights of the last step come first, here with a NaN in them, the averages by --ema.
expect 2 'embedded|name one' -- generate "x" --ema
expect 2 'safetensors has no averaged copy \(EMA\).*"gpt\."' -- generate "x" --model "$model" --ema
expect 2 '\(EMA\)' -- convert --model "$model" --ema -o out.safetensors
expect 2 '\(EMA\)' -- inspect "$model" --ema
expect 2 '\(EMA\)' -- plan --model "$model" --ema
rewrite "$model" averages.safetensors 's/"gpt\./"trainer.gpt_ema_fsdp./g'
for option in "" --ema; do
  expect 0 'only.png' -- generate "a red circle" --model averages.safetensors $option "${settings[@]}" --cfg 3 --tau 1 -o only.png
  same_picture whole.png only.png
done
size=$(data_size "$model")
header "$model" | grep -oE '"gpt\.[^}]*}' | sed 's/"gpt\./"trainer.gpt_fsdp./' |
  awk -F '[][,]' -v by="$size" '{ n = NF; sub(/\[[0-9]+,[0-9]+\]}$/, sprintf("[%d,%d]}", $(n - 2) + by, $(n - 1) + by)); print }' >steps
# What the second copy does not cover of its data goes to tensors of a type that is not read.
grep -oE '\[[0-9]+,[0-9]+\]}' steps | tr -d '[]}' | tr , ' ' | sort -n |
  awk -v at="$size" -v end=$((2 * size)) '
    function gap(to) { if (to > at) printf ",\"gap.%d\":{\"dtype\":\"F8_E5M2\",\"shape\":[%d],\"data_offsets\":[%d,%d]}", at, to - at, at, to }
    { gap($1); at = $2 } END { gap(end) }' >gaps
{ header averages.safetensors | sed 's/} *$//'; sed 's/^/,/' steps; cat gaps; printf '}'; } | tr -d '\n' >both.json
{ with_header "$model" <both.json; data "$model"; } >both.safetensors
step=trainer.gpt_fsdp.block_chunks.0.module.1.$bias
printf '\x00\x00\xc0\x7f' | dd of=both.safetensors bs=1 seek="$(place both.safetensors $step)" conv=notrunc status=none
expect 1 'not finite' -- generate "x" --model both.safetensors
expect 0 'average.png' -- generate "a red circle" --model both.safetensors --ema "${settings[@]}" --cfg 3 --tau 1 -o average.png
same_picture whole.png average.png
expect 1 "$step\" holds nan" -- convert --model both.safetensors -o out.safetensors
expect 0 'tensors' -- convert --model both.safetensors --ema --weights f32 -o average.safetensors
expect 0 'average.png' -- generate "a red circle" --model average.safetensors "${settings[@]}" --cfg 3 --tau 1 -o average.png
same_picture whole.png average.png

# What is passed over is listed, and an error only where it is a weight.
expect 0 'passed over: "gap\..*F8_E5M2' -- inspect both.safetensors
expect 0 '"what": "a tensor of type' -- inspect both.safetensors --json
has passed_over
rewrite "$model" fp8.safetensors "s/\(\"$other\":{\"dtype\":\"\)[A-Z0-9]*/\1F8_E4M3/"
expect 0 "passed over: \"$other\"" -- inspect fp8.safetensors
said="fp8.safetensors: \"$other\" is a tensor of type \"F8_E4M3\".*save it"
expect 1 "$said" -- generate "x" --model fp8.safetensors
expect 1 "$said" -- convert --model fp8.safetensors -o out.safetensors
expect 1 "\"$other\" is a tensor of type" -- inspect fp8.safetensors --check
[ -e out.safetensors ] && fault "a refused conversion left a file"

# Files that are no model, under a model's name.
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9449455616\n' >pointer.pth
printf '<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n' >page.pth
printf 'GGUF\3\0\0\0\0\0\0\0' >model.pth
: >empty.pth
for case in 'pointer.pth:git lfs pull' 'page.pth:web page' 'model.pth:GGUF' 'empty.pth:is empty'; do
  expect 1 "${case%%:*} .*${case#*:}" -- inspect "${case%%:*}"
  expect 1 "${case%%:*} .*${case#*:}" -- generate "x" --transformer "${case%%:*}"
  expect 1 "${case%%:*} .*${case#*:}" -- convert --model "${case%%:*}" -o out.safetensors
done
exit "$failed"
