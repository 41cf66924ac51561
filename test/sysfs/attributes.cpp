// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "discovery/sysfs.hpp"
#include "helpers/catch.hpp"
#include "temp_dir.hpp"
#include "tree.hpp"

#include <algorithm>
#include <csignal>

#include <sys/time.h>

using namespace ivshmem;

namespace {

/// A directory with one file "value".
class directory {
  public:
    explicit directory(std::string_view content = {}) {
        fake::write_file(temp_.path() / "value", content);
    }
    [[nodiscard]] std::filesystem::path file(const char* name = "value") const {
        return temp_.path() / name;
    }
    [[nodiscard]] sysfs_dir dir() const { return sysfs_dir{temp_.path().string()}; }

  private:
    fake::temp_dir temp_;
};

void check_failure(const failure& f, const std::filesystem::path& file) {
    INFO(f.message());
    CHECK(f);
    CHECK(f.message().starts_with(file.string() + ": "));
    CHECK(f.message().find('\n') == std::string::npos);
}

} // namespace

TEST_CASE("numbers are hexadecimal with 0x, else decimal") {
    failure f;
    CHECK(directory{"0x1af4\n"}.dir().number("value", 0xffff, f) == 0x1af4U);
    CHECK(directory{"0X1AF4"}.dir().number("value", 0xffff, f) == 0x1af4U);
    CHECK(directory{"010\n"}.dir().number("value", 0xffff, f) == 10U);
    CHECK(directory{"0xffffffffffffffff\n"}.dir().number("value", ~0ULL, f) == ~0ULL);
    CHECK_FALSE(f);
}

TEST_CASE("text that is not a number fails with the name of the file") {
    using namespace std::string_literals;
    const auto content =
        GENERATE(""s, "\n"s, " 1\n"s, "1 \n"s, "1\n\n"s, "-1\n"s, "+1\n"s, "0x\n"s, "0x-1\n"s,
                 "0xg\n"s, "1e3\n"s, "0x10000\n"s, "65536\n"s, "99999999999999999999\n"s, "\0"s,
                 "1\0"s, "\xff\xfe"s, "0x0x1\n"s, "1\r\n"s);
    const directory d{content};
    failure f;
    CHECK_FALSE(d.dir().number("value", 0xffff, f).has_value());
    check_failure(f, d.file());
    CHECK(f.code() == errc::sysfs_malformed);
}

TEST_CASE("escape sequences never reach a message") {
    const directory d{"\x1b[2J\x07"};
    failure f;
    CHECK_FALSE(d.dir().text("value", f).has_value());
    check_failure(f, d.file());
    CHECK(std::none_of(f.message().begin(), f.message().end(),
                       [](char c) { return c < 0x20 || c == 0x7f; }));
}

TEST_CASE("reads are bounded") {
    failure f;
    const directory largest{std::string(sysfs_dir::max_read, 'x')};
    CHECK(largest.dir().text("value", f)->size() == sysfs_dir::max_read);
    CHECK_FALSE(f);
    CHECK(largest.dir().bytes("value", 10, f)->size() == 10);
    CHECK(largest.dir().bytes("value", 5000, f)->size() == 5000);
    const directory larger{std::string(sysfs_dir::max_read + 1, 'x')};
    CHECK_FALSE(larger.dir().text("value", f).has_value());
    check_failure(f, larger.file());
}

TEST_CASE("only regular files are opened") {
    directory d;
    failure f;
    SECTION("a FIFO, which would block") {
        fake::make_fifo(d.file());
    }
    SECTION("a directory") {
        std::filesystem::remove(d.file());
        std::filesystem::create_directory(d.file());
    }
    SECTION("a link to a device") {
        std::filesystem::remove(d.file());
        std::filesystem::create_symlink("/dev/zero", d.file());
    }
    CHECK_FALSE(d.dir().text("value", f).has_value());
    check_failure(f, d.file());
    CHECK(f.code() == errc::sysfs_malformed);
}

TEST_CASE("a missing file is distinguished from other failures") {
    const directory d;
    failure f;
    CHECK_FALSE(d.dir().text("absent", f).has_value());
    CHECK(is_absent(f));
    check_failure(f, d.file("absent"));
    f.clear();
    std::filesystem::create_symlink("loop", d.file("loop"));
    CHECK_FALSE(d.dir().text("loop", f).has_value());
    CHECK_FALSE(is_absent(f));
    check_failure(f, d.file("loop"));
    CHECK(d.dir().has("loop"));
    CHECK_FALSE(d.dir().has("absent"));
}

TEST_CASE("links are read, not followed") {
    const directory d;
    const auto link = [&](const char* target) {
        std::filesystem::remove(d.file("link"));
        std::filesystem::create_symlink(target, d.file("link"));
        failure f;
        auto name = d.dir().link("link", f);
        CHECK(name.has_value() != static_cast<bool>(f));
        return name;
    };
    CHECK(link("../../bus/pci/drivers/vfio-pci") == "vfio-pci");
    CHECK(link("17") == "17");
    CHECK_FALSE(link("..").has_value());
    CHECK_FALSE(link("ends/in/slash/").has_value());
    CHECK_FALSE(link("a/b\nc").has_value());
    failure f;
    CHECK_FALSE(d.dir().link("value", f).has_value());
    check_failure(f, d.file());
    CHECK(f.code() == errc::sysfs_malformed);
}

TEST_CASE("a directory that cannot be listed is named") {
    const directory d;
    failure f;
    CHECK(d.dir().entries(f) == std::vector<std::string>{"value"});
    CHECK_FALSE(d.dir().dir("value").entries(f).has_value());
    check_failure(f, d.file());
}

TEST_CASE("signals do not disturb a read") {
    struct sigaction action {};
    action.sa_handler = [](int) {
    }; // and no SA_RESTART
    struct sigaction before {};
    REQUIRE(::sigaction(SIGALRM, &action, &before) == 0);
    const itimerval often{{0, 50}, {0, 50}};
    REQUIRE(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
    const directory d{std::string(60000, 'x')};
    failure f;
    for (int i = 0; i < 500 && !f; ++i)
        CHECK(d.dir().text("value", f)->size() == 60000);
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
    CHECK_FALSE(f);
}
