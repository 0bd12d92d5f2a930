// C++ exceptions out of a phase: with the guard the phase ends; without it the phase stays open, which is harmless.
// Prints the same with and without the library.
#include "check.h"
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static unsigned depth() { return zk_phase_depth ? zk_phase_depth() : 0; }
static unsigned phases(unsigned count) { return zk_phase_depth ? count : 0; }

static std::vector<char> work(char value) {
    std::vector<char> block(3 * MIB, value);
    CHECK(block.front() == value && block.back() == value);
    return block;
}

// The exception object is itself above the arena's threshold, is thrown inside the phase and outlives it.
struct heavy_error : std::runtime_error {
    heavy_error() : std::runtime_error(std::string(20000, 'e')) { memset(payload, 'p', sizeof payload); }
    char payload[30000];
};

static void throws_deep(int levels) {
    const zk::phase_guard guard;
    const auto block = work(static_cast<char>(levels));
    if (levels == 0) {
        throw heavy_error();
    }
    throws_deep(levels - 1);
}

static void with_guard() {
    for (int round = 0; round < 20; round++) {
        std::vector<char> survivor;
        try {
            const zk::phase_guard guard;
            survivor = work('s');
            CHECK(depth() == phases(1));
            throws_deep(10);
            CHECK(!"throws_deep returns");
        } catch (const heavy_error &error) {
            CHECK(depth() == 0);
            work('w'); // reuses what unwinding freed
            CHECK(std::string(error.what()) == std::string(20000, 'e'));
            CHECK(error.payload[0] == 'p' && error.payload[sizeof error.payload - 1] == 'p');
        }
        CHECK(survivor == std::vector<char>(3 * MIB, 's'));
    }
    std::puts("with a guard: the phase ended");
}

static void across_threads() {
    std::exception_ptr error;
    std::thread thrower([&] {
        try {
            throws_deep(3);
        } catch (...) {
            error = std::current_exception();
        }
    });
    thrower.join();
    CHECK(depth() == 0);
    const auto block = work('t');
    try {
        std::rethrow_exception(error);
    } catch (const heavy_error &caught) {
        CHECK(caught.payload[100] == 'p');
    }
    std::puts("thrown in another thread: kept");
}

static void without_guard() {
    std::vector<std::vector<char>> survivors;
    for (unsigned round = 1; round <= 3; round++) {
        try {
            begin_phase();
            survivors.push_back(work(static_cast<char>(round)));
            throw heavy_error();
        } catch (const heavy_error &) {
            CHECK(depth() == phases(round)); // left open
        }
        work('x');
    }
    for (unsigned round = 3; round >= 1; round--) {
        end_phase();
        CHECK(depth() == phases(round - 1));
        work('y');
    }
    for (std::size_t i = 0; i < survivors.size(); i++) {
        CHECK(survivors[i] == std::vector<char>(3 * MIB, static_cast<char>(i + 1)));
    }
    std::puts("without a guard: the phase stayed open, nothing was lost");
}

static void bad_alloc() {
    for (int round = 0; round < 3; round++) {
        try {
            const zk::phase_guard guard;
            volatile std::size_t too_much = PTRDIFF_MAX;
            ::operator delete(::operator new(too_much)); // not a new-expression, which may be optimised away
            CHECK(!"operator new returns");
        } catch (const std::bad_alloc &) {
            CHECK(depth() == 0);
        }
    }
    std::puts("bad_alloc: caught");
}

int main() {
    check_preload();
    engage_arena();
    with_guard();
    across_threads();
    without_guard();
    bad_alloc();
    check_arena_use();
}
