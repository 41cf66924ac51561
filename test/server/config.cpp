// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "client.hpp"
#include "helpers/catch.hpp"
#include "run.hpp"

#include <algorithm>
#include <fstream>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

// The configuration file.

using namespace host;

namespace {

const std::string file_name = "region.conf";

void write(const std::string& path, const std::string& text) {
    std::ofstream{path, std::ios::binary} << text;
}

/// The error message of a server that refuses this configuration.
std::string refused(const std::string& text, const std::vector<std::string>& more = {}) {
    const temporary_folder folder;
    write(folder / file_name, text);
    std::vector<std::string> options{"-F", "-S", folder / "socket", "-c", folder / file_name};
    options.insert(options.end(), more.begin(), more.end());
    const outcome o = run_server(options);
    CHECK(o.code == 1);
    CHECK(std::count(o.output.begin(), o.output.end(), '\n') == 1);
    CHECK_THAT(o.output,
               Catch::Matchers::StartsWith("ivshmem-server: " + (folder / file_name) + ":"));
    return o.output;
}

/// A server with this configuration, and its output when it listens.
struct configured {
    explicit configured(const std::string& text, const std::vector<std::string>& more = {}) {
        write(folder / file_name, text);
        std::vector<std::string> command{server_program(), "-F", "-c", folder / file_name};
        if (text.find("socket") == std::string::npos)
            command.insert(command.end(), {"-S", folder / "socket"});
        command.insert(command.end(), more.begin(), more.end());
        program.emplace(command, folder / "log");
        REQUIRE(program->says("listening on "));
    }
    [[nodiscard]] bool said(const std::string& text) const { return has(program->output(), text); }

    const temporary_folder folder;
    std::optional<process> program;
};

} // namespace

TEST_CASE("a configuration file has the effect of options") {
    const configured c{"# a region\n"
                       "\n"
                       "size = 2M   # bytes\n"
                       "  vectors=3\r\n"
                       "max-clients = 1\n"
                       "stall-timeout\t=\t10\n"
                       "verbose = true"};
    CHECK(c.said("2097152 bytes (memfd), vectors: 3, clients: at most 1"));
    CHECK(c.said("the limit of "));
    raw_client client{c.folder / "socket"};
    CHECK(client.joined(3));
}

TEST_CASE("a configuration file names memory and socket") {
    const temporary_folder folder;
    SECTION("a directory") {
        const configured c{"directory = " + (folder / "") + "\n"};
        CHECK(c.said("(a file in " + (folder / "")));
    }
    SECTION("a POSIX shared memory object") {
        const std::string name = "ivshmem-test-" + std::to_string(::getpid());
        const configured c{"shm-name = " + name + "\n"};
        CHECK(::unlink(("/dev/shm/" + name).c_str()) == 0);
        CHECK(c.said("(shared memory object " + name + ")"));
    }
    SECTION("a socket, which may have a # in its name") {
        const configured c{"socket = " + (folder / "a#b") + " # here\n"};
        raw_client client{folder / "a#b"};
        CHECK(client.joined(1));
    }
    SECTION("a pid file") {
        write(folder / file_name, "pid-file = " + (folder / "no/pid"));
        const outcome o = run_server({"-S", folder / "socket", "-c", folder / file_name});
        CHECK(o.code == 1);
        CHECK(has(o.output, (folder / "no/pid") + ": cannot write the pid file"));
    }
}

TEST_CASE("departures are sent unless the configuration forbids it") {
    const auto sent = GENERATE(true, false);
    const configured c{std::string{"no-departures = "} + (sent ? "false" : "true")};
    raw_client stays{c.folder / "socket"};
    REQUIRE(stays.joined(1));
    raw_client leaves{c.folder / "socket"};
    REQUIRE(leaves.joined(1));
    leaves.close();
    REQUIRE(c.program->says("client 1 left"));
    raw_client comes{c.folder / "socket"};
    REQUIRE(comes.joined(1));
    REQUIRE(eventually([&] {
        stays.read_all();
        return stays.peers().count(comes.id()) == 1;
    }));
    CHECK(stays.departures() == (sent ? 1 : 0));
}

TEST_CASE("an empty configuration changes nothing") {
    const auto text = GENERATE("", "\n\n", "# size = 1M\n");
    const configured c{text};
    CHECK(c.said("4194304 bytes (memfd), vectors: 1,"));
}

TEST_CASE("a byte order mark at the begin is skipped") {
    const configured c{"\xef\xbb\xbfsize = 2M\r\nvectors = 3\r\n"};
    CHECK(c.said("2097152 bytes (memfd), vectors: 3,"));
    CHECK(has(refused("vectors = 3\n\xef\xbb\xbfsize = 2M"), ":2: unknown key"));
}

TEST_CASE("the command line overrides the configuration") {
    SECTION("values") {
        const configured c{"size = 2M\nvectors = 3\nmax-clients = 5\n", {"-l", "1M", "-n2"}};
        CHECK(c.said("1048576 bytes (memfd), vectors: 2, clients: at most 5"));
    }
    SECTION("also if it comes first") {
        const temporary_folder folder;
        write(folder / file_name, "vectors = 3\n");
        process p{{server_program(), "-n2", "--config=" + (folder / file_name), "-F", "-S",
                   folder / "socket"},
                  folder / "log"};
        CHECK(p.says("vectors: 2"));
    }
    SECTION("a flag") {
        const configured c{"verbose = true\n", {"--verbose=false"}};
        CHECK_FALSE(c.said("the limit of "));
    }
    SECTION("the place of the memory") {
        const temporary_folder folder;
        const configured c{"shm-name = ivshmem-test-unused\n", {"-m", folder / ""}};
        CHECK(c.said("(a file in " + (folder / "")));
        const std::string name = "ivshmem-test-" + std::to_string(::getpid());
        const configured d{"directory = " + (folder / "") + "\n", {"-M", name}};
        CHECK(::unlink(("/dev/shm/" + name).c_str()) == 0);
        CHECK(d.said("(shared memory object " + name + ")"));
    }
    SECTION("but errors in the file are still reported") {
        CHECK(has(refused("vectors = 0\n", {"-n", "2"}), ":1: vectors = \"0\": "));
    }
}

TEST_CASE("a bad number is refused with file, line, key and range") {
    const char* const size = ":1: size = \"";
    const char* const size_takes =
        "\": size takes 1 to 4611686018427387904 bytes, with or without a suffix K, M or G\n";
    for (const char* value : {"0", "0K", "4Q", "four", "-1", "010", "0x10", "[4M]", "8E", "4M;",
                              "99999999999999999999999", "4.5", "+4M"}) {
        const std::string said = refused(std::string{"size = "} + value);
        CHECK(has(said, size + std::string{value} + size_takes));
    }
    for (const char* value :
         {"0", "257", "65537", "-1", "x", "4 4", "{}", "010", "1.0", "--help"}) {
        const std::string said = refused(std::string{"#\nvectors ="} + value);
        CHECK(has(said, ":2: vectors = \"" + std::string{value} +
                            "\": vectors takes a number from 1 to 256\n"));
    }
}

TEST_CASE("a bad line is refused with its error") {
    struct example {
        std::string text;
        const char* said;
    };
    const auto e = GENERATE(
        example{"max-clients = 0", "max-clients takes a number from 1 to 65536"},
        example{"max-clients = 65537", "max-clients takes a number from 1 to 65536"},
        example{"max-clients-per-uid = 0", "max-clients-per-uid takes a number from 1 to 65536"},
        example{"stall-timeout = 86401", "stall-timeout takes 0 to 86400 seconds"},
        example{"vectors =", ":1: vectors = \"\": vectors takes a number from 1 to 256; remove"},
        example{"shm-name =  # none", ":1: shm-name = \"\": "},
        example{"shm-name = \"a\"", "takes the name of a POSIX shared memory object, without"},
        example{"verbose = yes", ":1: verbose = \"yes\": verbose takes true or false"},
        example{"no-departures =", ":1: no-departures = \"\": no-departures takes true or false"},
        example{"socket = here", "socket takes the absolute path of a socket"},
        example{"pid-file = here", "pid-file takes the absolute path of a file"},
        example{"directory = here", "directory takes the absolute path of a directory"},
        example{"\n\ncolour = 3", ":3: unknown key \"colour\"; there are size, vectors, "},
        example{"Size = 3", ":1: unknown key \"Size\""}, example{"l = 3", ":1: unknown key \"l\""},
        example{"config = /a", ":1: config: not allowed in a file; give --config on the command"},
        example{"foreground = true", ":1: foreground: not allowed in a file"},
        example{"help = true", ":1: help: not allowed in a file"},
        example{"version = true", ":1: version: not allowed in a file"},
        example{"vectors", ":1: \"vectors\": a line is KEY = VALUE"},
        example{"= 3", ":1: \"= 3\": a line is KEY = VALUE"},
        example{"[region]", ":1: \"[region]\": a line is KEY = VALUE"},
        example{"vectors = 1\nvectors = 1", ":2: vectors: vectors is already set in line 1"},
        example{"shm-name = a\n\ndirectory = /tmp",
                ":3: directory: shm-name is already set in line 1"},
        example{"directory = /tmp\nshm-name = a",
                ":2: shm-name: directory is already set in line 1"});
    CHECK(has(refused(e.text), e.said));
}

TEST_CASE("a file that is not text is refused") {
    CHECK(has(refused(std::string{"vectors = 2\n\0\0", 14}), ":2: it has bytes that are not text"));
    CHECK(has(refused("vectors = 2\033[2J"), ":1: it has bytes that are not text"));
    CHECK(has(refused(text_of(server_program()).substr(0, 60000)), "bytes that are not text"));
    CHECK(has(refused(std::string(65537, '#')), ": longer than 65536 bytes"));
    CHECK(has(refused(std::string(65530, 'x')), ":1: \"" + std::string(60, 'x') + "...\": "));
    const configured just{std::string(65536, '#')};
    CHECK(just.said("vectors: 1"));
}

TEST_CASE("a configuration that cannot be read is an error") {
    const temporary_folder folder;
    const auto said = [&](const std::string& path) {
        process program{
            {server_program(), "-F", "-S", folder / "socket", "-c", path}, folder / "log", [] {
                // Root can read everything unless it drops these capabilities.
                ::prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE);
                ::prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH);
            }};
        CHECK(program.wait() == 1);
        CHECK_THAT(program.output(), Catch::Matchers::StartsWith("ivshmem-server: " + path + ": "));
        return program.output();
    };
    SECTION("it does not exist") {
        CHECK(has(said(folder / "none"), "ivshmem-server(8) describes it: No such file"));
    }
    SECTION("it is not readable for this user") {
        write(folder / file_name, "vectors = 2\n");
        REQUIRE(::chmod((folder / file_name).c_str(), 0) == 0);
        const std::string text = said(folder / file_name);
        CHECK(has(text, "chmod a+r"));
        CHECK(has(text, ": Permission denied"));
    }
    SECTION("it is a directory") {
        CHECK(has(said(folder / ""), "it is a directory; --config takes a text file"));
    }
    SECTION("it never ends") {
        CHECK(has(said("/dev/zero"), "it is not a regular file"));
    }
    SECTION("it is a FIFO without a writer") {
        REQUIRE(::mkfifo((folder / "fifo").c_str(), S_IRUSR | S_IWUSR) == 0);
        CHECK(has(said(folder / "fifo"), "it is not a regular file"));
    }
    SECTION("it has no name") {
        const outcome o = run_server({"-F", "-c", ""});
        CHECK(o.code == 1);
        CHECK(has(o.output, "--config: the name is empty"));
    }
}
