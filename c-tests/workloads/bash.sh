# Arrays, subshells, pipes, a variable of several MiB.
declare -A squares
for i in {1..3000}; do squares[$i]=$((i * i)); done
echo "${#squares[@]} ${squares[2999]}"
big=$(head -c 1000000 /dev/zero | tr '\0' x)
big=$big$big$big
echo "${#big} ${big:2999990}"
sorted=$(for i in "${!squares[@]}"; do echo "$i ${squares[$i]}"; done | sort -n | md5sum)
echo "$sorted"
for i in {1..20}; do (exit "$i") || echo -n "$? "; done
echo
printf '%s\n' a{1..2000}b | while read -r line; do echo "${line//[ab]/}"; done | tail -n 1
exit 7
