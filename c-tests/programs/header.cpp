// include/zkalloc.h as a C++ program's only knowledge of the library, not linked with it. Runs with and without it and
// prints which.
#include <zkalloc.h>
#include <zkalloc.h> // twice: the guard

#include <cstdio>
#include <cstdlib>
#include <type_traits>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);                          \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

static_assert(!std::is_copy_constructible<zk::phase_guard>::value, "a copy would end the phase twice");
static_assert(!std::is_copy_assignable<zk::phase_guard>::value, "a copy would end the phase twice");
static_assert(!std::is_move_constructible<zk::phase_guard>::value, "a guard belongs to its scope");
static_assert(std::is_nothrow_default_constructible<zk::phase_guard>::value, "beginning a phase cannot fail");
static_assert(std::is_nothrow_destructible<zk::phase_guard>::value, "ending a phase cannot fail");
static_assert(std::is_same<decltype(zk_phase_depth()), unsigned>::value, "the documented type");
static_assert(std::is_same<decltype(zk_trim(0)), std::size_t>::value, "the documented type");
static_assert(std::is_same<decltype(zk_version()), const char *>::value, "the documented type");
static_assert(sizeof(zk_stats) == 2 * 4 + 20 * 8, "the documented type");

static unsigned depth() { return zk_phase_depth ? zk_phase_depth() : 0; }

int main() {
    const unsigned one = zk_begin_phase ? 1 : 0;
    CHECK((std::getenv("ZK_TEST_PRELOAD")[0] == '1') == (one == 1));
    if (zk_begin_phase) zk_begin_phase();
    CHECK(depth() == one);
    if (zk_end_phase) zk_end_phase();
    {
        zk::phase_guard outer;
        CHECK(depth() == one);
        {
            const zk::phase_guard inner;
            CHECK(depth() == 2 * one);
        }
        CHECK(depth() == one);
    }
    CHECK(depth() == 0);
    if (zk_stats_get) {
        zk_stats stats{};
        stats.size = sizeof stats;
        CHECK(zk_stats_get(&stats) == 0 && stats.phases_begun == 3 && stats.phases_ended == 3);
    }
    std::puts(zk_version ? zk_version() : "no library");
}
