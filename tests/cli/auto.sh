#!/usr/bin/env bash
# The cache policy that is chosen for whoever names none, calibrations that do not fit, and what a picture says of both.
# Usage: auto.sh path/to/scalekv MODEL, the model being the one that is built in.
# shellcheck source=tests/cli/expect.sh
source "$(dirname "$0")/expect.sh"
model=$(cd "$OLDPWD" && realpath "$2")

# pixels FILE: a PNG from its picture data on, without what it says about itself.
pixels() { tail -c +"$(grep -aob IDAT "$1" | head -n 1 | cut -d : -f 1)" "$1"; }
says() { grep -aqF -- "$2" <(tr '\0' '=' <"$1") || fault "$1 does not say $2"; }
silent() { grep -aqF -- "$2" <(tr '\0' '=' <"$1") && fault "$1 says $2"; }
same() { cmp -s <(pixels "$1") <(pixels "$2") || fault "$1 and $2 are different pictures"; }

# What is chosen, in the report, the JSON, the metadata and the name of compare's file; and that it can be asked for.
expect 0 '^cache: adaptive 10% \(auto: ' -- generate "a red circle" -o chosen.png
for text in policy=adaptive 'policy_reason=auto: ' calibration=embedded calibration_sha256= budget=10%; do says chosen.png "$text"; done
expect 0 '"policy_reason": "auto: ' -- generate "a red circle" --json -o again.png
expect 0 '^cache: adaptive 10%$' -- generate "a red circle" --policy adaptive -o named.png
same chosen.png named.png
expect 0 'compared/adaptive.png' -- compare "a red circle" -o compared
[ -s compared/adaptive.png ] || fault "compare has no adaptive.png"
expect 0 '"policy": "adaptive"' -- compare "a red circle" --json -o compared
has settings policy_reason
expect 0 '"policy": "adaptive"' -- plan --json
has policy_reason
expect 0 '"policy": "adaptive"' -- bench --no-text-encoder --no-decode --json
has policy_reason
printf 'a red circle\n' >prompts.txt
expect 0 '1 of 1 pictures' -- sample --prompts prompts.txt -o sampled
says sampled/00000.png policy=adaptive
expect 0 '^\| adaptive ' -- evaluate --prompts prompts.txt --policies auto --budgets 10 -o evaluated

# The released models have published budgets, others the first map kept until they are calibrated.
for arch in infinity-2b infinity-8b; do
  expect 0 '^cache: scalekv \(auto: .*published' -- plan --arch $arch
  expect 0 '"drafters": "published"' -- plan --arch $arch --aspect 16:9 --json
done
for arch in layer12 layer32 'infinity-2b --size 0.25M'; do
  # shellcheck disable=SC2086
  expect 0 '"policy": "scalekv-first"' -- plan --arch $arch --json
done

# A calibration of another size: what can do without it draws, scalekv with its default drafters, and says so.
expect 0 '^cache: scalekv-first 10% \(auto: the calibration knows 7 scales, the picture takes 10' -- generate "a red circle" --size 0.25M -o large.png
expect 0 'first.png' -- generate "a red circle" --size 0.25M --policy scalekv-first -o first.png
same large.png first.png
says first.png 'keep_first=1 map'
expect 0 '^cache: scalekv 10% \(default drafters; the calibration knows 7 scales' -- generate "a red circle" --size 0.25M --policy scalekv -o scalekv.png
says scalekv.png drafters=default
says scalekv.png 'drafters_reason=the calibration knows 7 scales, the picture takes 10'
silent scalekv.png calibration_sha256=
cmp -s <(pixels large.png) <(pixels scalekv.png) && fault "keeping the first map changes nothing"
expect 0 '"drafters_reason": "the calibration' -- generate "a red circle" --size 0.25M --policy scalekv --json -o scalekv.png
for policy in full snapkv h2o sliding-window streaming-llm pyramidkv; do
  expect 0 '"fits"' -- plan --size 1M --policy $policy --json
done
expect 0 '256x256' -- generate "a red circle" --size 0.25M --policy full -o full.png
silent full.png policy_reason=
expect 0 'compared/scalekv.png' -- compare "a red circle" --size 0.25M --policy scalekv -o compared
for command in 'generate x -o no.png' 'compare x -o no' plan; do
  for policy in adaptive hack heatkv; do
    # shellcheck disable=SC2086
    expect 1 "10.*$policy.*.scalekv calibrate --size 0.25M --prompts .* --calibration" -- $command --size 0.25M --policy $policy
  done
done
ls no* >/dev/null 2>&1 && fault "a refused request left $(ls -d no*)"
# The command that it says, done.
expect 0 '1 prompts' -- calibrate --size 0.25M --prompts prompts.txt -o calibration-0.25M.json
expect 0 '^cache: adaptive 10% \(auto' -- generate "a red circle" --size 0.25M --calibration calibration-0.25M.json -o own.png
says own.png calibration=calibration-0.25M.json
expect 0 '^cache: adaptive' -- generate "a red circle" --size 0.06M --calibration calibration-0.25M.json -o smaller.png
expect 1 'calibration-0.25M.json: .*10 scales, the picture takes 13.*calibrate --size 1M' -- plan --size 1M --calibration calibration-0.25M.json
sed 's/"model":"shapes-7s"/"model":"other"/g' calibration-0.25M.json >other.json
expect 1 'other.json is of the model other' -- plan --size 0.25M --calibration other.json

# Options act or are refused.
for policy in full snapkv h2o sliding-window streaming-llm pyramidkv; do
  expect 2 "$policy reads no calibration.*--calibration" -- generate "x" --policy $policy --calibration calibration-0.25M.json
done
for policy in full snapkv adaptive hack; do
  expect 2 "$policy has no choice of selectors.*--policy scalekv" -- generate "x" --policy $policy --selector attention
done
expect 0 'scalekv 10% .auto: it has the selector that was asked for' -- generate "x" --selector attention -o selected.png
says selected.png policy=scalekv
says selected.png selector=attention
expect 2 'selector' -- bench --policy full --selector attention
expect 2 'for scalekv' -- evaluate --prompts prompts.txt --policies full,snapkv --selector attention -o no
expect 2 'calibration' -- evaluate --prompts prompts.txt --policies full,snapkv --calibration calibration-0.25M.json -o no
expect 0 'scalekv' -- evaluate --prompts prompts.txt --policies full,scalekv --selector attention --budgets 10 -o attentive
expect 0 'compared/scalekv.png' -- compare "x" --policy scalekv --selector attention -o compared
cp calibration-0.25M.json four.calibration.json
expect 0 'prompts' -- calibrate --size 0.25M --prompts prompts.txt --policy adaptive --budget 4% -o four.json
expect 2 'budget-file' -- generate "x" --size 0.25M --budget-file four.json --calibration calibration-0.25M.json
expect 2 'no choice of selectors' -- generate "x" --size 0.25M --budget-file four.json --selector attention
expect 0 'compared/adaptive.png' -- compare "x" --size 0.25M --budget-file four.json -o compared
says compared/full.png policy=full
silent compared/full.png budgets
for text in policy=adaptive budgets=four.json budgets_sha256=; do says compared/adaptive.png "$text"; done

# Beside a model: one of another size is passed over, a damaged or foreign one stops those that read it.
cp "$model" mine.safetensors
expect 0 '^cache: scalekv-first 10% \(auto: there is no calibration' -- generate "a red circle" --model mine.safetensors -o mine.png
cp calibration-0.25M.json mine.calibration.json
expect 0 '^cache: adaptive' -- generate "a red circle" --model mine.safetensors --size 0.25M -o mine.png
says mine.png calibration=mine.calibration.json
expect 0 '^cache: scalekv-first' -- plan --model mine.safetensors --size 1M
expect 1 "calibrate --model mine.safetensors --size 1M" -- plan --model mine.safetensors --size 1M --policy adaptive
for damage in '{' '{"format":"scalekv-calibration-1"}' ''; do
  printf '%s' "$damage" >mine.calibration.json
  expect 0 'mine.png' -- generate "a red circle" --model mine.safetensors --policy full -o mine.png
  expect 0 'mine.png' -- generate "a red circle" --model mine.safetensors --policy snapkv -o mine.png
  for policy in auto scalekv adaptive; do
    expect 1 'mine.calibration.json' -- generate "a red circle" --model mine.safetensors --policy $policy -o no.png
  done
done
[ -e no.png ] && fault "a refused request left a picture"

# Two pictures that say the same are the same; those that differ say so.
expect 0 'kernels' -- --version
kernels=$(sed -n 's/^kernels: //p' stdout)
says chosen.png "kernels=$kernels"
says chosen.png scalekv=
says chosen.png model_sha256=
says chosen.png image=0
says sampled/00000.png "kernels=$kernels"
says compared/difference.png "picture=difference from the full cache's"
for text in policy=adaptive seed=0 "kernels=$kernels"; do says evaluated/pictures/00000-adaptive-10-drawn.png "$text"; done
says evaluated/pictures/00000-adaptive-10-tokens.png 'picture=tokens that the cache keeps'
mkdir folder
cp chosen.png folder/one.png
cp mine.png one.png
expect 0 'again.png' -- reconstruct one.png -o again.png
expect 0 'folder/again.png' -- reconstruct folder/one.png -o folder/again.png
says again.png reconstruction_of=one.png
says again.png "reconstruction_of_sha256=$(sha256sum one.png | cut -c 1-64)"
says folder/again.png "reconstruction_of_sha256=$(sha256sum chosen.png | cut -c 1-64)"
exit "$failed"
