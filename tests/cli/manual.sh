#!/usr/bin/env bash
# The manual page and the completions say what --help says: every command, every option, every description, the values.
# Usage: manual.sh path/to/scalekv FOLDER, which holds scalekv.1, scalekv.bash, _scalekv and scalekv.fish
set -uo pipefail
scalekv=$1
folder=$2
home=$(mktemp -d)  # fish leaves files in its user's
trap 'rm -rf "$home"' EXIT
failed=0
fault() { echo "FAILED: $*"; failed=1; }
# same WHAT EXPECTED FOUND: lists, a word a line, in any order
same() {
  local difference
  if difference=$(diff <(sort <<<"$2") <(sort <<<"$3")); then return; fi
  fault "$1: < expected, > found"
  grep '^[<>]' <<<"$difference"
}

mapfile -t commands < <("$scalekv" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
[ ${#commands[@]} -gt 10 ] || fault "--help lists ${#commands[@]} commands"
options_of() { "$scalekv" "$@" --help | sed -nE 's/^  (-[^ ]+) .*/\1/p' | tr ',' '\n'; }
# From the 31st column of --help on, in the same line or in the next; without what the page shows in another way: names of
# values, backquotes and the colon before a list.
descriptions_of() {
  "$scalekv" "$@" --help | awk '/^Example/ { exit }
    /^  [-a-z]/ && substr($0, 30, 1) == " " { print substr($0, 31) }
    substr($0, 1, 30) ~ /^ +$/ { line = substr($0, 31); sub(/^[a-z0-9-]+: /, "", line); print line }' | tr -d '`' | sed 's/:$//'
}
policies=$("$scalekv" generate --help | sed -nE 's/^ {30}([a-z0-9-]+): .*/\1/p')

# --- the page
plain=$(sed -E 's/\\f[BIR]|\\%|\\&//g; s/\\-/-/g; s/\\\(aq/'"'"'/g; s/\\\(dq/"/g; s/\\\(ga/`/g; s/\\\(ti/~/g; s/\\\(ha/^/g; s/\\\(rs/\\/g' "$folder/scalekv.1")
section_of() { sed -n "/^\.SS \"scalekv $1 /,/^\.S[SH] /p" <<<"$plain"; }
for command in "${commands[@]}"; do
  [ -n "$(section_of "$command")" ] || fault "the page has no section for $command"
  for option in $(options_of "$command" | grep -e '^--'); do
    [ "$option" = --help ] || grep -qE -e "(^|[ (])$option($|[^a-z-])" <(section_of "$command") ||
      fault "the page's section for $command does not name $option"
  done
  for option in $(options_of "$command"); do
    grep -qE -e "^($option|-.*, $option)($|[ ,])" <<<"$plain" || fault "the page does not explain $option"
  done
  [ "$(descriptions_of "$command" | wc -l)" -ge "$("$scalekv" "$command" --help | grep -c '^  -')" ] ||
    fault "--help of $command is not read"
  while read -r description; do
    grep -qF -e "$description" <<<"$plain" || fault "the page does not say of $command: $description"
  done < <(descriptions_of "$command")
done
known=$({ options_of; for command in "${commands[@]}"; do options_of "$command"; done; } | sort -u)
for option in $(grep -oE -e '(^|[ (])--[a-z-]+' <<<"$plain" | tr -d ' (' | sort -u); do
  grep -qxF -e "$option" <<<"$known" || fault "the page names $option, which no command has"
done
if command -v man >/dev/null && [ -n "$(man -w ls 2>/dev/null)$(command -v groff)" ]; then
  said=$(LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l "$folder/scalekv.1" 2>&1 >/dev/null)
  [ -z "$said" ] || fault "man says: $said"
else
  echo "skipped: man, which is not here"
fi
if command -v mandoc >/dev/null; then
  said=$(mandoc -Tlint -Wwarning "$folder/scalekv.1")
  [ -z "$said" ] || fault "mandoc says: $said"
else
  echo "skipped: mandoc, which is not here"
fi

# --- bash, with and without the package bash-completion
# in_bash BEFORE WORD...: what it offers for the last word, and what it leaves to bash (default: files; dirnames)
in_bash() {
  bash --norc -c '
    [ -z "$1" ] || source "$1"
    source "$0"
    compopt() { printf "%s\n" "$*"; }
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
    "$(complete -p scalekv | sed "s/.*-F \([^ ]*\).*/\1/")" scalekv "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    [ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\n" "${COMPREPLY[@]}"' "$folder/scalekv.bash" "$@"
}
package=/usr/share/bash-completion/bash_completion
[ -r $package ] || echo "skipped: the package bash-completion, which is not here"
for before in '' $package; do
  [ -z "$before" ] || [ -r "$before" ] || continue
  same "bash offers commands" "$(printf '%s\n' "${commands[@]}")" "$(in_bash "$before" scalekv '' | grep -v '^-')"
  same "bash offers options" "$(options_of)" "$(in_bash "$before" scalekv -)"
  for command in "${commands[@]}"; do
    same "bash offers for $command" "$(options_of "$command")" "$(in_bash "$before" scalekv "$command" -)"
  done
  same "bash offers policies" "$policies" "$(in_bash "$before" scalekv generate 'a plan' --policy '')"
  same "bash offers a policy after =" $'scalekv\nscalekv-first' "$(in_bash "$before" scalekv plan --policy = sc)"
  same "bash offers policies after =" "$policies" "$(in_bash "$before" scalekv plan --policy =)"
  same "bash offers one of a list" $'-o nospace\nall,h2o\nall,hack\nall,heatkv' "$(in_bash "$before" scalekv evaluate -p all,h)"
  same "bash offers checked values" $'bf16\nf32\nint8' "$(in_bash "$before" scalekv convert --dtype '')"
  same "bash leaves files to bash" '-o default' "$(in_bash "$before" scalekv generate x -o '')"
  same "bash leaves folders to bash" '-o dirnames' "$(in_bash "$before" scalekv compare x -o '')"
  same "bash leaves an argument to bash" '-o default' "$(in_bash "$before" scalekv inspect --json '')"
  same "bash offers nothing for a prompt" '' "$(in_bash "$before" scalekv generate '')"
  same "bash offers nothing for a number" '' "$(in_bash "$before" scalekv generate --seed '')"
done

# --- zsh: what the script hands to zsh's own functions
if command -v zsh >/dev/null; then
  zsh -n "$folder/_scalekv" || fault "zsh does not read _scalekv"
  # in_zsh COMMAND: the options that it has; in_zsh COMMAND OPTION: the values of one
  in_zsh() {
    zsh -f -c '
      _arguments() {
        if [[ $1 == -C ]]; then state=arguments; return 1; fi
        local spec
        for spec in "${@:2}"; do
          [[ $spec == [:*]: ]] && continue
          [[ ${${spec#\(*\)}#\*} == (#b)(-[a-z-]##)* ]] || continue
          if [[ -z $wanted ]]; then print -r -- $match[1]
          elif [[ $wanted == $match[1] ]]; then eval ${spec##*:}; fi
        done
      }
      _describe() { print -rl -- ${${(P)2}%%:*} }
      _sequence() { $1 }
      _files() { print -r -- files $1 }
      setopt extendedglob
      wanted=$3; script=$1; words=($2); set --; source $script' in_zsh "$folder/_scalekv" "$@"
  }
  for command in "${commands[@]}"; do
    same "zsh offers for $command" "$(options_of "$command")" "$(in_zsh "$command")"
  done
  same "zsh offers policies" "$policies" "$(in_zsh generate -p)"
  same "zsh offers policies of a list" "all
$policies" "$(in_zsh evaluate --policies)"
  same "zsh offers folders" 'files -/' "$(in_zsh compare --out)"
else
  echo "skipped: zsh, which is not here"
fi

# --- fish
if command -v fish >/dev/null; then
  # in_fish LINE: what it offers at the end of the line
  # shellcheck disable=SC2016
  in_fish() { HOME=$home fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$folder/scalekv.fish" "$1" | cut -f 1; }
  same "fish offers commands" "$(printf '%s\n' "${commands[@]}")" "$(in_fish 'scalekv ')"
  for command in "${commands[@]}"; do
    same "fish offers for $command" "$(options_of "$command")" "$(in_fish "scalekv $command -")"
  done
  same "fish offers policies" "$policies" "$(in_fish 'scalekv generate "plan" -p ')"
  same "fish offers policies after =" $'--policy=scalekv\n--policy=scalekv-first' "$(in_fish 'scalekv plan --policy=sc')"
  same "fish offers one of a list" $'all,h2o\nall,hack\nall,heatkv' "$(in_fish 'scalekv evaluate -p all,h')"
  same "fish offers nothing for a prompt" '' "$(in_fish 'scalekv generate ')"
else
  echo "skipped: fish, which is not here"
fi
exit $failed
