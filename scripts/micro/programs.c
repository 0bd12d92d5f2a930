/* What a program costs that has other things to do than proving: nanoseconds of processor time of a command and of all that
 * it starts and waits for, the least of a few rounds. Its environment is ours, with whatever is preloaded.
 *
 * usage: programs COMMAND ARGUMENT... */
#include "children.h"

enum { ROUNDS = 3 };

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: programs COMMAND ARGUMENT...\n", stderr);
        return 2;
    }
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double start = children_ns();
        run_quietly(argv + 1);
        double each = children_ns() - start;
        if (each < best)
            best = each;
    }
    printf("%.2f\n", best);
    return 0;
}
