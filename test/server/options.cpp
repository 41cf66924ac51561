// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "client.hpp"
#include "helpers/catch.hpp"
#include "run.hpp"
#include "service/size_option.hpp"

// The command line. server/memory.cpp tests the memory for -l, -M and -m.

using namespace host;

TEST_CASE("-h shows every option, its default, and the exit codes") {
    const auto option = GENERATE("-h", "--help");
    const outcome o = run_server({option});
    CHECK(o.code == 0);
    for (const char* text :
         {"-h,--help", "-c,--config", "-v,--verbose", "-F,--foreground", "-p,--pid-file",
          "-S,--socket", "-M,--shm-name", "-m,--directory", "-l,--size", "-n,--vectors",
          "--max-clients", "--max-clients-per-uid", "--no-departures", "--stall-timeout",
          "/tmp/ivshmem_socket", "/var/run/ivshmem-server.pid", "4194304", "sealed memfd",
          "Exit codes: 0"})
        CHECK(has(o.output, text));
    const outcome version = run_server({"-V"});
    CHECK(version.code == 0);
    CHECK_THAT(version.output, Catch::Matchers::StartsWith("ivshmem-server "));
}

TEST_CASE("a bad option is refused by name") {
    struct example {
        std::vector<std::string> options;
        const char* said;
    };
    const auto e = GENERATE(
        example{{"-l", "0"}, "--size: the shared memory cannot have 0 bytes"},
        example{{"-l", "0K"}, "--size: the shared memory cannot have 0 bytes"},
        example{{"-l", "4Q"}, "--size: "}, example{{"-l", "four"}, "--size: "},
        example{{"-l", "-1"}, "--size: a size cannot be negative"},
        example{{"-l", "99999999999T"}, "--size: "}, example{{"-l"}, "--size"},
        example{{"-n", "0"}, "--vectors: Value 0 not in range"},
        example{{"-n", "257"}, "--vectors: Value 257 not in range"},
        example{{"-n", "x"}, "--vectors: "}, example{{"--max-clients", "0"}, "--max-clients: "},
        example{{"--max-clients", "65537"}, "--max-clients: "},
        example{{"--max-clients-per-uid", "0"}, "--max-clients-per-uid: "},
        example{{"--stall-timeout", "-1"}, "--stall-timeout: "},
        example{{"-M", ""}, "--shm-name: the name is empty"},
        example{{"-M", "a", "-m", "b"}, "excludes"}, example{{"-S", ""}, "--socket: "},
        example{{"-x"}, "-x"}, example{{"argument"}, "argument"});
    auto options = e.options;
    options.insert(options.begin(), "-F"); // in the foreground, in case it starts
    const outcome o = run_server(options);
    CHECK(o.code == 1);
    CHECK(has(o.output, e.said));
    CHECK(has(o.output, "Try 'ivshmem-server -h'."));
}

TEST_CASE("sizes are taken as by QEMU's server") {
    struct example {
        std::string text;
        std::string bytes; ///< or a part of the error
    };
    const auto e = GENERATE(
        example{"1", "1"}, example{"010", "10"}, example{"4096", "4096"}, example{"2B", "2"},
        example{"1.5M", "1572864"}, example{"4.0M", "4194304"}, example{"0.5k", "512"},
        example{"3.g", "3221225472"}, example{"1T", "1099511627776"},
        example{"0x100000", "1048576"}, example{"0XfF", "255"},
        example{"4E", "4611686018427387904"}, example{"-5", "negative"},
        example{"-0x5", "negative"}, example{"0x10M", "no suffix"}, example{"0x", "a size is"},
        example{"1.5", "no fraction"}, example{"4.0B", "no fraction"}, example{"", "a size is"},
        example{"M", "a size is"}, example{".5M", "a size is"}, example{"+1", "a size is"},
        example{" 1", "a size is"}, example{"1MB", "a size is"}, example{"1 M", "a size is"},
        example{"1e3", "a size is"}, example{"1..5M", "a size is"}, example{"0", "0 bytes"},
        example{"0x0", "0 bytes"}, example{"0.0001K", "0 bytes"}, example{"5E", "no memory"},
        example{"16384P", "no memory"}, example{"18446744073709551616", "no memory"},
        example{"0x10000000000000000", "no memory"});
    INFO(e.text);
    std::string text = e.text;
    const std::string wrong = service::convert_size(text);
    if (wrong.empty())
        CHECK(text == e.bytes);
    else
        CHECK(has(wrong, e.bytes));
}

TEST_CASE("options are accepted as by QEMU's server") {
    const temporary_folder folder;
    // Joined, attached and repeated options: the last one counts.
    process program{
        {server_program(), "-vF", "-l1M", "-l", "2M", "-n", "9", "-n3", "-S" + (folder / "socket")},
        folder / "log"};
    REQUIRE(program.says("2097152 bytes (memfd), vectors: 3"));
    raw_client c{folder / "socket"};
    CHECK(c.joined(3));
}

TEST_CASE("as many vectors as QEMU can ring are served") {
    const auto vectors = GENERATE(1, 64, 256);
    running_server server{{"-n", std::to_string(vectors)}};
    raw_client c{server.socket()};
    CHECK(c.joined(static_cast<std::size_t>(vectors)));
    CHECK(c.wrong().empty());
}
