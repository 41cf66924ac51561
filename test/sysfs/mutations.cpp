// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "helpers/catch.hpp"
#include "temp_dir.hpp"
#include "trees.hpp"

#include <ivshmem/diagnosis.hpp>
#include <ivshmem/discovery.hpp>
#include <ivshmem/selector.hpp>

#include <algorithm>
#include <filesystem>
#include <random>
#include <vector>

namespace fs = std::filesystem;
using namespace ivshmem;

namespace {

/// Corrupts files of a tree at random; the same seed corrupts them the same way.
class mutator {
  public:
    explicit mutator(unsigned seed) : random_{seed} {}

    void spoil(const fs::path& file) {
        switch (below(8)) {
        case 0:
            fs::remove(file);
            break;
        case 1:
            fake::make_fifo(file);
            break;
        case 2:
            fs::remove(file);
            fs::create_symlink(file.filename(), file);
            break;
        case 3:
            fs::remove(file);
            fs::create_directory(file);
            break;
        case 4:
            fake::write_file(file, noise(below(5000)));
            break;
        case 5:
            fake::write_file(file, fake::read_file(file).substr(0, below(80)));
            break;
        default:
            flip(file);
        }
    }
    std::size_t below(std::size_t limit) { return random_() % limit; }

  private:
    void flip(const fs::path& file) {
        auto content = fake::read_file(file);
        for (std::size_t i = 0; i <= below(8) && !content.empty(); ++i)
            content[below(content.size())] = static_cast<char>(below(256));
        fake::write_file(file, content);
    }
    std::string noise(std::size_t size) {
        std::string result(size, '\0');
        std::generate(result.begin(), result.end(), [&] { return static_cast<char>(below(256)); });
        return result;
    }

    std::mt19937 random_;
};

std::vector<fs::path> regular_files(const fs::path& root) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator{root})
        if (entry.is_regular_file() && !entry.is_symlink())
            files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

/// Checks the facts that must hold for any files.
void check_sane(const device_info& info) {
    for (const auto& bar : info.bars)
        CHECK((bar.size & (bar.size - 1)) == 0);
    if (info.vectors) {
        CHECK(*info.vectors >= 1);
        CHECK(*info.vectors <= 2048);
    }
    const auto verdict = diagnose(info);
    CHECK((verdict.can_map || !verdict.problem.empty()));
    for (const auto& line : info.problems)
        CHECK(line.find('\n') == std::string::npos);
}

} // namespace

TEST_CASE("trees that are corrupted at random are read to the end, without crashing or blocking") {
    constexpr unsigned rounds = 150;
    std::size_t devices = 0;
    std::size_t problems = 0;
    for (unsigned seed = 1; seed <= rounds; ++seed) {
        INFO("seed " << seed);
        mutator mutate{seed};
        const auto machines = fake::sound_machines();
        const fake::temp_dir temp;
        // The last machine has 32 devices: too slow to build this often.
        fake::build_machine(machines[mutate.below(machines.size() - 1)].name, temp.path());
        const auto files = regular_files(temp.path());
        for (std::size_t i = 0; i < 1 + mutate.below(4); ++i)
            if (const auto& file = files[mutate.below(files.size())];
                fs::symlink_status(file).type() == fs::file_type::regular)
                mutate.spoil(file);

        std::error_code ec;
        const auto found = discover(temp.path(), ec);
        devices += found.devices.size();
        problems += found.problems.size();
        for (const auto& info : found.devices) {
            check_sane(info);
            problems += info.problems.size();
        }
        (void)selector{}.choose(found.devices, ec);
    }
    // The corruption reached files that are read.
    CHECK(devices > rounds / 2);
    CHECK(problems > rounds / 8);
}
