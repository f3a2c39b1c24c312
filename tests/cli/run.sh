#!/usr/bin/env bash
# Runs the command line on good and bad input. Usage: run.sh path/to/scalekv [model file that is built in]
# shellcheck source=tests/cli/expect.sh
source "$(dirname "$0")/expect.sh"

# One seed, one picture: threads, batch and number of images change no byte.
expect 0 '128x128' -- generate "a red circle" --seed 3 --threads 1 -o one.png
expect 0 '128x128' -- generate "a red circle" --seed 3 --threads 2 --images 4 --batch 4 -o four.png
expect 0 'four|two' -- generate "a red circle" --seed 3 --threads 2 --images 4 --batch 1 -o two.png
for i in 1 2 3; do cmp -s four-$i.png two-$i.png || { echo "FAILED: image $i depends on the batch"; failed=1; }; done
cmp -s four-0.png two-0.png || { echo "FAILED: image 0 depends on the batch"; failed=1; }
cmp -s one.png two-0.png || { echo "FAILED: a single image differs from the first of four"; failed=1; }
expect 0 '"kv_bytes_peak_full"' -- compare "a blue square" --policy scalekv --json -o compared
has policy budget seconds seconds_full kv_bytes_now kv_bytes_now_full kv_bytes_peak kv_bytes_peak_full psnr
for file in full scalekv difference; do [ -s compared/$file.png ] || { echo "FAILED: compared/$file.png is missing"; failed=1; }; done
expect 0 '128x128' -- reconstruct one.png -o again.png
expect 0 '160x128' -- generate "a red circle" --aspect 5:4 --size 0.06M -o wide.png --top-k 1
expect 0 'kernels' -- --version

# Weights: any type draws; a file of int8 weights draws what rounding at opening draws, and stays int8. The calibration
# that lies beside the source goes with it: the same layers keep the same tokens.
expect 0 '"weights": "bf16"' -- generate "a red circle" --seed 3 --weights bf16 --json -o half.png
expect 0 '"weights": "int8"' -- generate "a red circle" --seed 3 --weights int8 --json -o rounded.png
if [ -n "${2:-}" ]; then
  expect 0 'tensors' -- convert --model "$2" --weights int8 -o int8.safetensors
  expect 0 'weight_scale' -- inspect int8.safetensors --check
  expect 0 '"weights": "int8"' -- generate "a red circle" --seed 3 --model int8.safetensors --json -o mapped.png
  cmp -s <(tail -c 2000 mapped.png) <(tail -c 2000 rounded.png) ||
    { echo "FAILED: an int8 file draws another picture"; failed=1; }
  expect 2 'cannot become f32' -- generate "x" --model int8.safetensors --weights f32
  expect 1 "GB are available; (nothing smaller|it would fit)" -- generate "x" --model int8.safetensors --batch 4 --images 4 --memory-limit 20M
  expect 1 'int8 weights already' -- convert --model int8.safetensors -o again.safetensors
fi
expect 2 'weights' -- generate "x" --weights int4

expect 0 'kv_paper_mb": 3900' -- plan --arch infinity-2b --json
has kv_bytes_peak kv_bytes_peak_full kv_paper_mb weights_bytes total_bytes_peak fits would_fit
expect 0 'kv_paper_mb": 84328' -- plan --arch infinity-8b --policy full --json
expect 0 'does not fit.*would fit' -- plan --arch infinity-8b --size 1M --batch 8 --memory-limit 20G
expect 0 'fits into' -- plan
expect 2 "no architecture 'infinity-9b'.*layer12" -- plan --arch infinity-9b
expect 2 'batch of 0' -- plan --batch 0
expect 2 'batch of 2000000000' -- plan --arch infinity-2b --batch 2000000000
expect 2 'no amount of memory' -- plan --memory-limit much
expect 2 'no amount of memory' -- plan --memory-limit 0
expect 2 'exclude each other' -- plan --arch layer12 --model some.safetensors
expect 2 'give both' -- generate "x" --arch layer12
expect 1 'GB are available; it would fit with' -- generate "x" --images 16 --batch 16 --policy full --memory-limit 100M
expect 1 'are available' -- generate "x" --memory-limit 1000
expect 1 'are available' -- generate "x" --arch infinity-8b --random --memory-limit 1G
echo '{"prompt":"a red circle","category":"single","objects":[{"shape":"circle","colour":"red","count":1,"size":null}],"relation":null,"background":null,"unseen":false}' >captions.jsonl
expect 0 '"single"' -- evaluate-shapes --captions captions.jsonl --json -q
[ -e scalekv.png ] && { echo "FAILED: a refused request left scalekv.png"; failed=1; }
rm -f scalekv.png
expect 0 'kv_bytes_peak' -- plan --json --batch 1 --prompt-tokens 5
planned=$(number kv_bytes_peak)
expect 0 'gemm_peak_gops' -- bench --json
has gemm_peak_gops_range linear_gops attention_gops vae_gops seconds kv_bytes_peak rss_peak_bytes components
[ "$planned" = "$(number kv_bytes_peak)" ] || { echo "FAILED: the plan says $planned bytes, the ledger $(number kv_bytes_peak)"; failed=1; }
expect 0 'predicted' -- bench --batches 1,2 --budgets full,10% --no-text-encoder --csv runs.csv --plot runs.svg
[ "$(wc -l <runs.csv)" = 5 ] || { echo "FAILED: runs.csv has not a line for each run"; failed=1; }
grep -q '</svg>' runs.svg || { echo "FAILED: runs.svg is no picture"; failed=1; }
expect 0 '"policy": "full"' -- bench --budgets full,10% --no-text-encoder --no-decode --json
[ "$(grep -c '"budget": 1.0,\|"budget": 0.1,' stdout)" = 2 ] || { echo "FAILED: bench --json has not a report for each run"; failed=1; }
expect 1 'no folder' -- bench --csv nowhere/runs.csv

expect 2 'the prompt is empty' -- generate ""
expect 2 'not valid UTF-8 at byte 2' -- generate "$(printf 'ab\xff')"
expect 2 "no cache policy 'magic'.*scalekv" -- generate "x" --policy magic
expect 2 'selector' -- generate "x" --selector magic
for budget in 0% 101% abc -5% ''; do expect 2 'budget' -- generate "x" --budget "$budget"; done
expect 2 'one value, or one for each scale' -- generate "x" --cfg 3,4
expect 2 'one value, or one for each scale' -- generate "x" --tau 1,1,1
expect 2 'not possible' -- generate "x" --cfg -1
expect 2 'not possible' -- generate "x" --tau 0
expect 2 "no size '9M'" -- generate "x" --size 9M
expect 2 'aspect' -- generate "x" --aspect 16x9
expect 2 'images' -- generate "x" --images 0
expect 2 'threads' -- generate "x" --threads 0
expect 2 'guidance' -- generate "x" --guidance-layer 99
expect 2 'required' -- generate
expect 1 'no folder' -- generate "x" -o nowhere/picture.png
mkdir folder.png
expect 1 'it is a folder' -- generate "x" -o folder.png
expect 1 'missing.safetensors' -- generate "x" --model missing.safetensors
head -c 1000 /dev/zero >zeros.safetensors
expect 1 'zeros.safetensors' -- inspect zeros.safetensors
expect 1 'no.png' -- reconstruct no.png
head -c 100 one.png >cut.png
expect 1 'cut.png' -- reconstruct cut.png
[ -e scalekv.png ] && { echo "FAILED: a refused request left scalekv.png"; failed=1; }
long=$(head -c 100000 /dev/zero | tr '\0' 'a')
expect 0 'long.png' -- generate "$long" -o long.png

# Folders of pictures compared.
mkdir full less
for i in 0 1 2; do cp four-$i.png full/$i.png; cp two-$i.png less/$i.png; done
cp one.png full/3.png
cp again.png less/3.png
expect 0 '"identical": 3' -- metrics full less --json --per-image
expect 0 'docs/METRICS.md' -- metrics full less
expect 0 'report.html' -- report full less full -o report.html
expect 0 'report.md' -- report full less -o report.md
grep -q 'data:image/png' report.html || { echo "FAILED: report.html holds no pictures"; failed=1; }
grep -q '^| less |' report.md || { echo "FAILED: report.md has no row"; failed=1; }
expect 2 'ends with .html' -- report full less -o report.pdf
expect 1 'no folder' -- report full less -o nowhere/report.html
expect 2 'second folder' -- metrics full
expect 2 'inception-weights' -- metrics full --write-statistics full.npz
expect 1 'zeros.safetensors' -- metrics full less --inception-weights zeros.safetensors
cp one.png full/4.png
expect 1 'full/4.png has no partner' -- metrics full less
head -c 100 one.png >less/4.png
expect 1 'less/4.png is a damaged' -- metrics full less
cp wide.png less/4.png
expect 1 '128x128 and 160x128' -- metrics full less
mkdir empty
expect 1 'holds no pictures' -- metrics full empty
echo text >stats.npz
expect 1 'stats.npz is no .npz file' -- metrics stats.npz stats.npz

# Calibration goes on where it stopped; budgets are allocated, read and refused.
printf 'a red circle\ntwo green stars\n' >prompts.txt
expect 0 '1 prompts' -- calibrate --prompts prompts.txt -n 1 -o half.json
expect 0 '2 prompts' -- calibrate --prompts prompts.txt -o half.json --plot index.svg --plot-heads heads.svg
expect 0 '2 prompts' -- calibrate --prompts prompts.txt -o whole.json
cmp -s half.json whole.json || { echo "FAILED: a calibration that was cut short differs from one that was not"; failed=1; }
for plot in index heads; do grep -q '</svg>' $plot.svg || { echo "FAILED: $plot.svg is not whole"; failed=1; }; done
# What goes on is the same measurement: same prompts, same settings, nothing measured that was not asked for.
printf 'a red circle\na blue square\n' >others.txt
expect 1 'whole.json was measured on other prompts than these; name another file with -o' -- calibrate --prompts others.txt -o whole.json
expect 1 'whole.json is of 2 prompts already, not of 1' -- calibrate --prompts prompts.txt -n 1 -o whole.json
expect 1 'seed was 0 and is 4' -- calibrate --prompts prompts.txt --seed 4 -o whole.json
expect 1 'cfg was .* and is 2' -- calibrate --prompts prompts.txt --cfg 2 -o whole.json
sed 's/"settings":{[^}]*},"prompts_sha256":"[0-9a-f]*",//' whole.json >unsaid.json
expect 1 'unsaid.json does not say how it was measured' -- calibrate --prompts prompts.txt -o unsaid.json
expect 0 '128x128' -- generate "a red circle" --policy adaptive --calibration unsaid.json -o by-calibration.png
for policy in scalekv heatkv adaptive; do
  cp whole.json $policy.calibration.json
  expect 0 'prompts' -- calibrate --prompts prompts.txt --policy $policy --budget 4% -o $policy.json
  expect 0 '128x128' -- generate "a red circle" --seed 3 --budget-file $policy.json -o by-file.png
done
expect 0 'prompts' -- calibrate --prompts prompts.txt --policy scalekv --budget 20% --published -o scalekv.json
expect 0 '128x128' -- generate "a red circle" --budget-file scalekv.json -o by-file.png
cp whole.json small.calibration.json
expect 1 'below its window of 16' -- calibrate --prompts prompts.txt --policy scalekv --budget 4% --published -o small.json
[ -e small.json ] && { echo "FAILED: budgets that cannot be read were written"; failed=1; }
expect 2 'adaptive' -- calibrate --prompts prompts.txt --policy snapkv -o snapkv.json
expect 1 'nowhere.json' -- generate "x" --budget-file nowhere.json
expect 1 'no file of budgets|not \"Scale N\"' -- generate "x" --budget-file whole.json
sed 's/"model":"[^"]*"/"model":"other"/' adaptive.json >other.json
expect 1 'other.json is of the model other' -- generate "x" --budget-file other.json
expect 1 'another picture size' -- generate "x" --budget-file adaptive.json --aspect 5:4
# A calibration of another model, whether it is named, lies beside the model or is part of it. A model that is renamed
# takes its own along.
sed 's/"model":"shapes-7s"/"model":"other"/g' whole.json >other.calibration.json
expect 1 'other.calibration.json is of the model other' -- generate "x" --policy adaptive --calibration other.calibration.json
if [ -n "${2:-}" ]; then
  cp "$2" other.safetensors
  expect 1 'other.calibration.json is of the model other' -- generate "x" --model other.safetensors
  expect 1 'other.calibration.json is of the model other' -- convert --model other.safetensors -o nothing.safetensors
  cp whole.json other.calibration.json
  expect 0 'renamed' -- convert --model other.safetensors --name renamed -o renamed.safetensors
  rm other.calibration.json other.safetensors
  expect 0 '128x128' -- generate "x" --policy adaptive --model renamed.safetensors -o renamed.png
  LC_ALL=C sed 's/\\"model\\":\\"renamed\\"/\\"model\\":\\"revised\\"/' renamed.safetensors >revised.safetensors
  expect 1 "the metadata entry 'calibration' is of the model revised" -- generate "x" --model revised.safetensors
fi

# An evaluation that is asked for again finds everything done and says the same.
expect 0 'adaptive' -- evaluate --prompts prompts.txt --policies full,snapkv,adaptive --budgets 10,2 --strips 1 -o evaluated
cp evaluated/evaluation.json first.json
expect 0 'adaptive' -- evaluate --prompts prompts.txt --policies full,snapkv,adaptive --budgets 10,2 --strips 1 -o evaluated
cmp -s first.json evaluated/evaluation.json || { echo "FAILED: a finished evaluation was drawn again"; failed=1; }
for file in csv md html; do [ -s evaluated/evaluation.$file ] || { echo "FAILED: evaluation.$file is missing"; failed=1; }; done
again=(evaluate --policies "full,snapkv,adaptive" --budgets "10,2" --strips 1 -o evaluated)
expect 1 'another evaluation .*seed was 0 and is 9' -- "${again[@]}" --prompts prompts.txt --seed 9
expect 1 'another evaluation .*kv was nothing and is int8' -- "${again[@]}" --prompts prompts.txt --kv int8
expect 1 'another evaluation .*calibration_sha256' -- "${again[@]}" --prompts prompts.txt --calibration whole.json
expect 1 'prompt number 2 is another' -- "${again[@]}" --prompts others.txt
# More prompts go on from those that are there, fewer are read from them.
samples=$(wc -l <evaluated/samples.jsonl)
expect 0 'adaptive' -- "${again[@]}" --prompts prompts.txt -n 1
[ "$(wc -l <evaluated/samples.jsonl)" = "$samples" ] || { echo "FAILED: prompts were drawn again"; failed=1; }
printf 'a red circle\ntwo green stars\na blue square\n' >more.txt
expect 0 'adaptive' -- "${again[@]}" --prompts more.txt
[ "$(wc -l <evaluated/samples.jsonl)" = $((samples + (samples - 1) / 2)) ] ||
  { echo "FAILED: other prompts than the new one were drawn"; failed=1; }
expect 2 "no cache policy 'magic'" -- evaluate --prompts prompts.txt --policies magic -o evaluated
expect 2 'budget' -- evaluate --prompts prompts.txt --budgets 200 -o evaluated
exit "$failed"
