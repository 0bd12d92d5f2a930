/* Commands that are run one after the other, and what they cost. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

/* User and system time of all children so far: a busy machine changes it less than what a clock says. */
static double children_ns(void)
{
    struct rusage used;
    if (getrusage(RUSAGE_CHILDREN, &used) != 0)
        return 0;
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e9 + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e3;
}

/* Runs a command with our environment, whatever is preloaded included, and waits for it; what it prints is thrown away. Ends
 * this program where that fails. */
static void run_quietly(char **command)
{
    posix_spawn_file_actions_t quiet;
    pid_t pid;
    int status = -1;
    if (posix_spawn_file_actions_init(&quiet) != 0 ||
        posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0) != 0 ||
        posix_spawnp(&pid, command[0], &quiet, NULL, command, environ) != 0 || waitpid(pid, &status, 0) != pid ||
        status != 0) {
        fprintf(stderr, "%s: status 0x%x\n", command[0], status);
        exit(1);
    }
    posix_spawn_file_actions_destroy(&quiet);
}
