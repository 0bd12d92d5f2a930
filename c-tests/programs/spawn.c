/* Other ways to a new process: vfork (the child borrows the parent's memory), posix_spawn, system, popen. The parent's
 * memory stays intact. */
#include "check.h"
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static void wait_for(pid_t pid) {
    int status = -1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void by_vfork(void) {
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    wait_for(pid);
    /* A child that leaves without exec, and allocates before: what it frees is the parent's arena, used in turn. */
    pid = vfork();
    if (pid == 0) {
        void *medium = malloc(20000), *large = malloc(3 * MIB);
        free(medium);
        free(large);
        _exit(medium && large ? 0 : 1);
    }
    wait_for(pid);
}

static void by_spawn(void) {
    char *arguments[] = {(char *)"true", NULL};
    pid_t pid = -1;
    CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0);
    wait_for(pid);
}

static void by_shell(void) {
    CHECK(system("exit 0") == 0);
    FILE *pipe = popen("echo through the pipe", "r");
    char line[64] = "";
    CHECK(pipe && fgets(line, sizeof line, pipe) && strcmp(line, "through the pipe\n") == 0);
    CHECK(pclose(pipe) == 0);
}

int main(void) {
    check_preload();
    engage_arena();
    enum { BLOCKS = 8 };
    void *blocks[BLOCKS];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            CHECK((blocks[i] = malloc((size_t)(i + 1) * 300000)) != NULL);
            fill_pattern(blocks[i], (size_t)(i + 1) * 300000, (uint64_t)i);
        }
        if (round % 2) {
            begin_phase();
        }
        by_vfork();
        by_spawn();
        by_shell();
        if (round % 2) {
            end_phase();
        }
        for (int i = 0; i < BLOCKS; i++) {
            CHECK(has_pattern(blocks[i], (size_t)(i + 1) * 300000, (uint64_t)i));
            free(blocks[i]);
        }
    }
    check_nothing_lives();
    printf("vfork, posix_spawn, system, popen: parent intact\n");
    check_arena_use();
    return 0;
}
