/* A system with other cgroups and other memory pressure: what is read about them is found below ZK_TEST_ROOT. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int open(const char *path, int flags, ...) {
    static const char *const ELSEWHERE[] = {"/proc/self/cgroup", "/proc/pressure/", "/proc/meminfo", "/sys/fs/cgroup/"};
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    const char *root = getenv("ZK_TEST_ROOT");
    char found[4096];
    for (size_t i = 0; root && i < sizeof ELSEWHERE / sizeof ELSEWHERE[0]; i++) {
        if (strncmp(path, ELSEWHERE[i], strlen(ELSEWHERE[i])) == 0) {
            snprintf(found, sizeof found, "%s%s", root, path);
            path = found;
        }
    }
    return real(path, flags, mode);
}
