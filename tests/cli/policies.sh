#!/usr/bin/env bash
# Runs the command line with HeatKV's rankings as a budget file, and with the policies that need no calibration. Usage:
# policies.sh path/to/scalekv
# shellcheck source=tests/cli/expect.sh
source "$(dirname "$0")/expect.sh"

# rankings LAYERS HEADS: a file of the form of HeatKV's orders/2b.json, on standard output. The steps have no factor in
# common with the numbers of heads below.
rankings() {
  awk -v layers="$1" -v heads="$2" 'BEGIN {
    all = layers * heads
    lists = split("11 13 17 19 23 29 31 37 41", step, " ")
    print "["
    for (k = 1; k <= lists; ++k) {
      print "    ["
      for (i = 0; i < all; ++i) {
        number = (i * step[k] + 7 * k) % all
        printf "        [\n            %d,\n            %d\n        ]%s\n", number % heads, int(number / heads), i + 1 < all ? "," : ""
      }
      print "    ]" (k < lists ? "," : "")
    }
    print "]"
  }'
}
# pixels FILE: a PNG from its picture data on, without what it says about itself.
pixels() { tail -c +"$(grep -aob IDAT "$1" | head -n 1 | cut -d : -f 1)" "$1"; }
rankings 32 16 >2b.json
rankings 40 28 >8b.json
rankings 6 4 >small.json

# The released sizes, no calibration, any budget, size and aspect. The bound is the mean tokens a head, exactly: of 6,425
# tokens in 32 layers of 16 heads of 128, keys and values in 4 bytes, two sequences of which one has its map in memory.
for model in 2b 8b; do
  last=999999999999
  for budget in 50% 20% 10% 4% 2% 1% 0.5%; do
    for picture in "--size 1M --aspect 16:9" "--size 0.25M --aspect 2:3" "--size 1M"; do
      # shellcheck disable=SC2086
      expect 0 'kv_bytes_peak' -- plan --arch infinity-$model --budget-file $model.json --budget $budget $picture --json
    done
    peak=$(number kv_bytes_peak)
    [ "$peak" -lt "$last" ] || fault "$model holds $peak bytes at $budget, $last at the budget before"
    last=$peak
  done
done
expect 0 'kv_bytes_peak' -- plan --arch infinity-2b --budget-file 2b.json --budget 10% --size 1M --json
peak=$(number kv_bytes_peak)
bound=$((2 * 32 * 16 * 128 * 8 * 6425 / 10 + 16 * 128 * 8 * 4096))
{ [ "$peak" -le $bound ] && [ "$peak" -gt $((bound * 98 / 100)) ]; } || fault "2B at 10%: $peak bytes, the bound is $bound"
expect 0 'kv_bytes_peak' -- plan --arch infinity-2b --budget-file 2b.json --size 1M --json
[ "$(number kv_bytes_peak)" = "$peak" ] || fault "without --budget it is not 10%"

# The whole program holds to the byte what is planned (tests/engine has more budgets and all policies), and the picture
# says what it was drawn with.
for budget in 10% 1%; do
  for how in "--budget-file small.json" "--policy ams-kv"; do
    for aspect in square 16:9; do
      # shellcheck disable=SC2086
      expect 0 'kv_bytes_peak' -- plan $how --budget $budget --aspect $aspect --json
      planned=$(number kv_bytes_peak)
      # shellcheck disable=SC2086
      expect 0 'kv_bytes_peak' -- generate "a red circle" $how --budget $budget --aspect $aspect -o drawn.png --json
      [ "$(number kv_bytes_peak)" = "$planned" ] || fault "$how $budget $aspect: planned $planned, held $(number kv_bytes_peak)"
    done
  done
done
expect 0 '"policy": "heatkv"' -- generate "a red circle" --budget-file small.json --budget 4% -o by-4.png --json
grep -q '"budget": "4%"' stdout || fault "the picture does not say its budget"
grep -q '"budgets": "small.json"' stdout || fault "the picture does not say its rankings"
expect 0 '128x128' -- generate "a red circle" --budget-file small.json --budget 4% -o again.png
cmp -s by-4.png again.png || fault "the same rankings and budget drew another picture"
expect 0 '128x128' -- generate "a red circle" --budget-file small.json --budget 1% -o by-1.png
cmp -s <(pixels by-4.png) <(pixels by-1.png) && fault "the budget does not act on rankings"
echo "{\"metadata\": {\"sink_scales\": 3}, \"orders\": $(cat small.json)}" >scas_orders.json
expect 0 '128x128' -- generate "a red circle" --budget-file scas_orders.json --budget 4% -o tool.png
cmp -s <(pixels by-4.png) <(pixels tool.png) || fault "the tool's file draws another picture"

# Every command says the rankings' policy and the budget that was asked for.
expect 0 'heatkv small.json 4%' -- plan --budget-file small.json --budget 4%
expect 0 '"policy": "heatkv"' -- plan --budget-file small.json --budget 4% --json
[ "$(number budget)" = 0.04 ] || fault "the plan says another budget"
expect 0 '"policy": "heatkv"' -- compare "a red circle" --budget-file small.json --budget 4% -o compared --json
[ "$(number budget)" = 0.04 ] || fault "compare says another budget"
expect 0 '"policy": "heatkv"' -- bench --budget-file small.json --budgets full,10%,4% --no-decode --json
for said in '"budget": 1.0' '"budget": 0.1,' '"budget": 0.04' '"policy": "full"'; do
  grep -q "$said" stdout || fault "bench does not say $said"
done
expect 2 'small.json is of the policy heatkv, not snapkv' -- generate x --budget-file small.json --policy snapkv
expect 0 '128x128' -- generate x --budget-file small.json --policy heatkv --budget 4% -o agreed.png
expect 0 '--policy heatkv --budget' -- plan --arch infinity-2b --size 1M --budget-file 2b.json --budget 50% --weights int8 --memory-limit 6G

# A folder of pictures belongs to one budget.
printf 'a red circle\na blue square\n' >prompts.txt
expect 0 'pictures' -- sample --prompts prompts.txt --budget-file small.json --budget 10% --out folder --json
expect 1 'budget' -- sample --prompts prompts.txt --budget-file small.json --budget 4% --out folder

# Files of other models name both; damaged ones the list and the entry.
expect 1 '2b.json is for 32 layers of 16 heads, the model has 6 of 4' -- generate x --budget-file 2b.json
expect 1 '8b.json is for 40 layers of 28 heads, the model has 32 of 16' -- plan --arch infinity-2b --budget-file 8b.json
expect 1 '2b.json is for 32 layers of 16 heads, the model has 40 of 28' -- plan --arch infinity-8b --budget-file 2b.json
tr -d ' \n' <small.json >flat.json
damaged() { sed "$1" flat.json >damaged.json; cmp -s flat.json damaged.json && fault "nothing is damaged: $1"; }
damaged 's/\[3,1\]/[2,1]/'
expect 1 'damaged.json, list 1 of 9, entry [0-9]+: head 2 of layer 1, which entry [0-9]+ names already' -- generate x --budget-file damaged.json
damaged 's/\[3,1\],//'
expect 1 'damaged.json, list 1 of 9: 23 entries in place of 24, head 3 of layer 1 is missing' -- generate x --budget-file damaged.json
damaged 's/\[3,1\]/[4,1]/'
expect 1 'damaged.json, list 1 of 9, entry 1: head 4 of layer 1, but the model has 6 layers of 4 heads' -- generate x --budget-file damaged.json
damaged 's/\[3,1\]/[3,-1]/'
expect 1 'damaged.json, list 1 of 9, entry 1: \[3,-1\] is not a pair' -- generate x --budget-file damaged.json
damaged 's/^\[\[[^a-z]*\]\],\[\[/[[[/'
expect 1 'damaged.json: [0-9] lists in place of HeatKV.s 9' -- generate x --budget-file damaged.json
head -c 500 small.json >damaged.json
expect 1 'damaged.json' -- generate x --budget-file damaged.json
echo '[]' >damaged.json
expect 1 'damaged.json is no file of budgets' -- generate x --budget-file damaged.json
exit $failed
