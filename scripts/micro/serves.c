/* Which file serves each function of the names given, as a program's own calls are bound, and the allocator's version.
 *
 * Usage: serves <function>...; prints "<function> <file>" for each, and at the end "version <version>". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_version(void)
{
    int (*mallctl)(const char *, void *, size_t *, void *, size_t) = dlsym(RTLD_DEFAULT, "mallctl");
    int (*mi_version)(void) = dlsym(RTLD_DEFAULT, "mi_version");
    const char *(*tc_version)(int *, int *, const char **) = dlsym(RTLD_DEFAULT, "tc_version");
    const char *(*zk_version)(void) = dlsym(RTLD_DEFAULT, "zk_version");
    const char *name = "";
    size_t bytes = sizeof name;
    int major, minor;
    if (zk_version)
        printf("version %s\n", zk_version());
    else if (mallctl && mallctl("version", &name, &bytes, NULL, 0) == 0)
        printf("version %s\n", name);
    else if (mi_version) /* 2.0.9 is 209, 3.3.2 is 30302 */
        printf("version %d.%d.%d\n", mi_version() / (mi_version() < 10000 ? 100 : 10000),
               mi_version() < 10000 ? mi_version() / 10 % 10 : mi_version() / 100 % 100,
               mi_version() < 10000 ? mi_version() % 10 : mi_version() % 100);
    else if (tc_version)
        printf("version %s\n", tc_version(&major, &minor, &name));
    else if (dlsym(RTLD_DEFAULT, "zk_begin_phase") || dlsym(RTLD_DEFAULT, "sn_rust_alloc") || getenv("LD_PRELOAD"))
        printf("version unknown\n");
    else
        printf("version %s\n", gnu_get_libc_version());
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        Dl_info where;
        void *function = dlsym(RTLD_DEFAULT, argv[i]);
        char path[PATH_MAX];
        if (!function || !dladdr(function, &where) || !realpath(where.dli_fname, path)) {
            fprintf(stderr, "serves: %s is nowhere\n", argv[i]);
            return 1;
        }
        printf("%s %s\n", argv[i], strrchr(path, '/') + 1);
    }
    /* That what it gives can be used, small and large. */
    for (size_t size = 16; size <= (size_t)64 << 20; size *= 4) {
        char *block = malloc(size), *zeroed = calloc(1, size);
        if (!block || !zeroed || zeroed[size - 1])
            return 1;
        memset(block, 1, size);
        zeroed = realloc(zeroed, 2 * size);
        if (!zeroed)
            return 1;
        free(zeroed);
        free(block);
    }
    print_version();
    return 0;
}
