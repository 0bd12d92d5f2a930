// The C++ allocators above malloc: std::pmr, new and delete in all their forms, over-aligned types, growing containers.
// Prints the same with and without the library.
#include "check.h"
#include <deque>
#include <map>
#include <memory>
#include <memory_resource>
#include <new>
#include <numeric>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

template <std::size_t Size, std::size_t Align> struct alignas(Align) over_aligned {
    unsigned char bytes[Size];
};

template <std::size_t Size, std::size_t Align> static void aligned_new() {
    using type = over_aligned<Size, Align>;
    std::vector<std::unique_ptr<type>> singles;
    for (int i = 0; i < 6; i++) {
        singles.push_back(std::make_unique<type>());
        CHECK(reinterpret_cast<std::uintptr_t>(singles.back().get()) % Align == 0);
        CHECK(all_zero(singles.back()->bytes, Size));
        fill_pattern(singles.back()->bytes, Size, static_cast<std::uint64_t>(i));
    }
    auto array = std::make_unique<type[]>(3);
    CHECK(reinterpret_cast<std::uintptr_t>(array.get()) % Align == 0);
    std::vector<type> growing;
    for (int i = 0; i < 5; i++) {
        growing.emplace_back();
        CHECK(reinterpret_cast<std::uintptr_t>(growing.data()) % Align == 0);
    }
    for (int i = 0; i < 6; i++) {
        CHECK(has_pattern(singles[i]->bytes, Size, static_cast<std::uint64_t>(i)));
    }
    std::printf("aligned new: %zu bytes at %zu\n", Size, Align);
}

static void plain_new() {
    for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4095}, 4 * KIB, MIB, MIB + 1, 5 * MIB}) {
        char *throwing = new char[size];
        char *quiet = new (std::nothrow) char[size];
        CHECK(quiet != nullptr && quiet != throwing);
        fill_pattern(throwing, size, 1);
        fill_pattern(quiet, size, 2);
        CHECK(has_pattern(throwing, size, 1) && has_pattern(quiet, size, 2));
        ::operator delete[](throwing, size); // sized
        delete[] quiet;
        void *aligned = ::operator new(size, std::align_val_t{4096});
        CHECK(reinterpret_cast<std::uintptr_t>(aligned) % 4096 == 0);
        ::operator delete(aligned, size, std::align_val_t{4096});
    }
    volatile std::size_t too_much = PTRDIFF_MAX;
    CHECK(new (std::nothrow) char[too_much] == nullptr);
    std::puts("new and delete: all forms");
}

static void growing_containers() {
    std::vector<std::uint64_t> vector;
    std::string string;
    std::deque<std::string> deque;
    for (std::uint64_t i = 0; i < 400000; i++) {
        vector.push_back(i * i);
        string += static_cast<char>('a' + i % 26);
        if (i % 1000 == 0) {
            if (i % 100000 == 0) {
                i % 200000 ? end_phase() : begin_phase();
            }
            deque.emplace_back(i % 50000, 'd');
        }
    }
    for (std::uint64_t i = 0; i < 400000; i++) {
        CHECK(vector[i] == i * i && string[i] == static_cast<char>('a' + i % 26));
    }
    vector.resize(1000);
    vector.shrink_to_fit();
    CHECK(vector[999] == 999 * 999 && deque.at(37).size() == 37000);
    std::puts("containers grown across the threshold: contents kept");
}

static std::size_t use_resource(std::pmr::memory_resource &resource) {
    std::pmr::map<int, std::pmr::string> map(&resource);
    std::pmr::vector<std::pmr::vector<int>> rows(&resource);
    for (int i = 0; i < 200; i++) {
        map[i] = std::pmr::string(static_cast<std::size_t>(i) * 100, static_cast<char>('a' + i % 26), &resource);
        rows.emplace_back(static_cast<std::size_t>(i) * 50, i);
    }
    std::size_t sum = 0;
    for (int i = 0; i < 200; i++) {
        CHECK(map[i].find_first_not_of(static_cast<char>('a' + i % 26)) == std::pmr::string::npos);
        sum = std::accumulate(rows[static_cast<std::size_t>(i)].begin(), rows[static_cast<std::size_t>(i)].end(), sum);
    }
    void *aligned = resource.allocate(3 * MIB, 64 * KIB);
    CHECK(reinterpret_cast<std::uintptr_t>(aligned) % (64 * KIB) == 0);
    resource.deallocate(aligned, 3 * MIB, 64 * KIB);
    return sum;
}

static void resources() {
    for (int round = 0; round < 3; round++) {
        begin_phase();
        std::pmr::monotonic_buffer_resource monotonic(4096);
        std::pmr::unsynchronized_pool_resource pool;
        std::pmr::synchronized_pool_resource shared;
        std::size_t threads_sum[2] = {0, 0};
        std::thread first([&] { threads_sum[0] = use_resource(shared); });
        std::thread second([&] { threads_sum[1] = use_resource(shared); });
        const std::size_t sum = use_resource(*std::pmr::new_delete_resource());
        CHECK(use_resource(monotonic) == sum && use_resource(pool) == sum);
        first.join();
        second.join();
        CHECK(threads_sum[0] == sum && threads_sum[1] == sum);
        end_phase();
        CHECK(use_resource(monotonic) == sum && use_resource(pool) == sum); // the pools outlive the phase
        std::printf("pmr: %zu\n", sum);
    }
}

int main() {
    check_preload();
    engage_arena();
    plain_new();
    aligned_new<8192, 64>();
    aligned_new<100, 128>();
    aligned_new<4096, 4096>();
    aligned_new<64 * 1024, 64 * 1024>();
    aligned_new<3 * 1024 * 1024, 256>();
    aligned_new<4 * 1024 * 1024, 2 * 1024 * 1024>();
    growing_containers();
    resources();
    check_arena_use();
}
