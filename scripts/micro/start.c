/* What a short process costs: nanoseconds of processor time of one ls, cat or sed that has next to nothing to do, in the
 * best of many rounds. Its environment is ours, with whatever is preloaded. */
#include "children.h"

enum { ROUNDS = 20, CHILDREN = 51 };

int main(void)
{
    char *commands[3][4] = {{"/bin/ls", "/", NULL}, {"/bin/cat", "/dev/null", NULL}, {"/bin/sed", "p", "/dev/null", NULL}};
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double start = children_ns();
        for (int i = 0; i < CHILDREN; i++)
            run_quietly(commands[i % 3]);
        double each = (children_ns() - start) / CHILDREN;
        if (each < best)
            best = each;
    }
    printf("%.2f\n", best);
    return 0;
}
