# gcc and g++: large generated C, heavy templates, link-time optimisation in parallel. Objects are the same to the byte.
source "${BASH_SOURCE[0]%/*}/common.sh"

version() { gcc -dumpfullversion; }

generate() {
    local file=$1 i
    {
        echo '#include <stdio.h>'
        for ((i = 0; i < 120; i++)); do
            cat <<C
struct s$i { int a[$((i % 9 + 1))]; double d; char t[$((i % 70 + 1))]; };
static double f${file}_$i(struct s$i *s, int x) {
    double sum = s->d;
    for (int k = 0; k < x; k++) { s->a[k % $((i % 9 + 1))] += k * $i; sum += s->a[0] / (k + 1.5); s->t[0] = (char)k; }
    switch (x % 7) { case 0: return sum; case 1: return sum * 2; case 2: return sum + s->t[0]; default: return -sum; }
}
C
        done
        echo "double run$file(int x) { double sum = 0;"
        for ((i = 0; i < 120; i++)); do echo "{ struct s$i s = {0}; sum += f${file}_$i(&s, x + $i % 11); }"; done
        echo 'return sum; }'
    } >"part$file.c"
}

run() {
    local i
    for i in 0 1 2 3; do generate $i; done
    cat >main.c <<'C'
#include <stdio.h>
double run0(int), run1(int), run2(int), run3(int);
int main(void) { printf("%.6f\n", run0(3) + run1(4) + run2(5) + run3(6)); return 0; }
C
    cat >templates.cpp <<'C'
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>
template <int N> struct Deep { using type = std::tuple<typename Deep<N - 1>::type, std::variant<int, double>>; };
template <> struct Deep<0> { using type = int; };
template <int N> constexpr long fib() { if constexpr (N < 2) return N; else return fib<N - 1>() + fib<N - 2>(); }
int main() {
    std::map<std::string, std::vector<std::function<int(int)>>> table;
    for (int i = 0; i < 100; i++) table[std::to_string(i % 7)].push_back([i](int x) { return x + i; });
    std::regex pattern("(a|b)*([0-9]+)x?");
    std::smatch match;
    std::string text = "abba1234x";
    std::cout << std::regex_match(text, match, pattern) << match[2] << sizeof(Deep<25>::type) << fib<40>() << "\n";
    std::vector<int> numbers(100000);
    std::mt19937 random(1);
    std::generate(numbers.begin(), numbers.end(), random);
    std::sort(numbers.begin(), numbers.end());
    std::cout << numbers[0] << " " << numbers[99999] << " " << table["3"][2](5) << "\n";
}
C
    local round
    for ((round = 0; round < SCALE; round++)); do
        tracked gcc -O2 -g -c part0.c part1.c main.c &
        tracked gcc -O3 -g -c part2.c part3.c
        wait $!
        sha256sum part?.o main.o
        tracked gcc part?.o main.o -o program
        ./program
        sha256sum program
        tracked gcc -O2 -flto=2 -frandom-seed=1 part?.c main.c -o whole
        ./whole
        tracked g++ -std=c++17 -O2 -g -c templates.cpp
        sha256sum templates.o
        tracked g++ templates.o -o templates
        ./templates
    done
    # An error is an error.
    echo 'int main(void) { return nothing; }' >wrong.c
    gcc -c wrong.c 2>&1 && die "wrong.c compiled"
    return 0
}

"$@"
