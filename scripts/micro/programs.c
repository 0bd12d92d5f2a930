/* What a program costs that has other things to do than proving: nanoseconds of processor time of a command and of all that
 * it starts and waits for, the least of a few rounds. Its environment is ours, with whatever is preloaded; what it prints
 * is thrown away.
 *
 * usage: programs COMMAND ARGUMENT... */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { ROUNDS = 3 };
extern char **environ;

/* User and system time of all children so far. */
static double children_ns(void)
{
    struct rusage used;
    if (getrusage(RUSAGE_CHILDREN, &used) != 0)
        return 0;
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e9 + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e3;
}

int main(int argc, char **argv)
{
    posix_spawn_file_actions_t quiet;
    if (argc < 2) {
        fputs("usage: programs COMMAND ARGUMENT...\n", stderr);
        return 2;
    }
    if (posix_spawn_file_actions_init(&quiet) != 0 ||
        posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0) != 0)
        return 1;
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double start = children_ns();
        pid_t pid;
        int status = -1;
        if (posix_spawnp(&pid, argv[1], &quiet, NULL, argv + 1, environ) != 0 || waitpid(pid, &status, 0) != pid ||
            status != 0) {
            fprintf(stderr, "programs: %s: status 0x%x\n", argv[1], status);
            return 1;
        }
        double each = children_ns() - start;
        if (each < best)
            best = each;
    }
    printf("%.2f\n", best);
    return 0;
}
