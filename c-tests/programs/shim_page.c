/* A machine with larger pages, for whoever asks at run time: ZK_TEST_PAGE bytes. */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

long sysconf(int name) {
    const char *page = getenv("ZK_TEST_PAGE");
    if (page && (name == _SC_PAGESIZE)) {
        return atol(page);
    }
    long (*real)(int) = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
    return real(name);
}
