# Compile, link and run; the object must be the same to the byte. Then an error.
set -e
{
    echo '#include <stdio.h>'
    for i in {1..120}; do
        echo "static int f$i(int x) { int a[64]; for (int i = 0; i < 64; i++) a[i] = x * i + $i; return a[x & 63]; }"
    done
    echo 'int main(void) { long sum = 0;'
    for i in {1..120}; do echo "for (int i = 0; i < 100; i++) sum += f$i(i);"; done
    echo 'printf("%ld\n", sum); return 0; }'
} >program.c
gcc -O2 -g -c program.c -o program.o
sha256sum program.o
gcc program.o -o program
./program
echo 'int main(void) { return nothing; }' >wrong.c
gcc -c wrong.c
