// thread_local and static objects whose destructors allocate and free large and medium blocks, in threads and at exit:
// after the library's own teardown of the thread, and after its destructor ran. Same output with and without it.
#include "check.h"
#include <memory>
#include <thread>
#include <vector>

struct keeper {
    const char *name;
    std::vector<char> medium = std::vector<char>(20000, 'm'), large = std::vector<char>(3 * MIB, 'l');

    explicit keeper(const char *name) : name(name) {}

    void check() const {
        CHECK(medium == std::vector<char>(20000, 'm'));
        CHECK(large == std::vector<char>(3 * MIB, 'l'));
    }

    ~keeper() {
        check();
        const std::vector<char> more(5 * MIB, 'x');
        large.resize(6 * MIB, 'l');
        CHECK(more.back() == 'x' && large[3 * MIB - 1] == 'l' && large.back() == 'l');
        printf("%s: gone\n", name);
        fflush(stdout);
    }
};

static keeper in_program("static");

static keeper &in_function() {
    static keeper kept("static in a function");
    return kept;
}

static thread_local std::unique_ptr<keeper> in_thread;

int main() {
    check_preload();
    engage_arena();
    in_function().check();
    for (int i = 0; i < 20; i++) {
        std::thread([] {
            in_thread = std::make_unique<keeper>("thread_local");
            in_thread->check();
        }).join();
    }
    std::thread([] {
        std::this_thread::sleep_for(std::chrono::hours(1)); // still there when the process ends
    }).detach();
    in_thread = std::make_unique<keeper>("thread_local of the main thread");
    check_arena_use();
}
