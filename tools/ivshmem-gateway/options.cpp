// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options.hpp"

#include "options_builder.hpp"
#include "service/command_line.hpp"

#include <ivshmem/version.hpp>

#include <CLI/CLI.hpp>

#include <array>
#include <cstdint>
#include <fstream>
#include <string_view>

namespace ivshmem_gateway {
namespace {

using ivshmem::failure;
using kind = service::config_key::kind;

constexpr const char* description =
    R"(Joins topics in inter-VM shared memory and an MQTT broker. Nothing is mapped by
default.)";

constexpr const char* footer = R"(
A name that ends with * on the side of the region, or has + and # at the broker,
stands for several: --to then ends with /, and what they stand for follows it.
    --out 'sensors/*' --to plant/      sensors/a is plant/a at the broker
    --in 'plant/+/stop' --to stops/    plant/b/stop is stops/b/stop in the region

A SIZE may end with K, M or G. A FILE may be credential:NAME, of LoadCredential=
in a unit of systemd.

A configuration file has a line "broker = 192.0.2.1" for each option, by its long
name, and comments after #. See ivshmem-gateway(8).

Readiness is reported to systemd (NOTIFY_SOCKET).

Exit codes: 0 ended by SIGTERM, SIGINT or SIGHUP, or -h, or --check found no
fault; 1 the device could not be used, or was lost; 2 a bad option or
configuration: stderr says why.)";

constexpr std::string_view takes_file = "the absolute path of a file, or credential:NAME";
constexpr std::string_view takes_size = "a size in bytes, such as 64K";
constexpr std::string_view takes_count = "a number from 0 to 4294967295";
constexpr bool repeats = true;
constexpr std::array keys{
    service::config_key{"device", kind::name, "a PCI address, or another name of a device"},
    service::config_key{"socket", kind::path, "the absolute path of a server's socket", "device"},
    service::config_key{"trust-server", kind::flag, service::takes_flag},
    service::config_key{"slot", kind::number, "a number from 0 to 255"},
    service::config_key{"verbose", kind::flag, service::takes_flag},
    service::config_key{"broker", kind::name, "the name of a host, or its address"},
    service::config_key{"port", kind::number, "a number from 1 to 65535"},
    service::config_key{"client-id", kind::name, "a name"},
    service::config_key{"session", kind::number, "seconds"},
    service::config_key{"keepalive", kind::number, "seconds, 5 to 65535"},
    service::config_key{"tls", kind::flag, service::takes_flag},
    service::config_key{"ca", kind::name, takes_file},
    service::config_key{"cert", kind::name, takes_file},
    service::config_key{"key", kind::name, takes_file},
    service::config_key{"user", kind::name, "a name"},
    service::config_key{"password-file", kind::name, takes_file},
    service::config_key{"max-message", kind::size, takes_size},
    service::config_key{"queue-messages", kind::number, "a number of messages"},
    service::config_key{"queue-bytes", kind::size, takes_size},
    service::config_key{"slot-topics", kind::number, takes_count},
    service::config_key{"slot-retained", kind::number, takes_count},
    service::config_key{"slot-messages", kind::number, takes_count},
    service::config_key{"slot-bytes", kind::size, takes_size},
    service::config_key{"out", kind::name, "the name of a topic, or PREFIX*", {}, repeats},
    service::config_key{"in", kind::name, "an MQTT filter", {}, repeats},
    service::config_key{"to", kind::name, "a name, or a prefix that ends with /", {}, repeats},
    service::config_key{"qos", kind::number, "0, 1 or 2", {}, repeats},
    service::config_key{"retain", kind::flag, service::takes_flag, {}, repeats},
    service::config_key{"allow", kind::name, "slots, as in 1,2", {}, repeats},
    service::config_key{"size", kind::size, takes_size, {}, repeats},
    service::config_key{"messages", kind::number, "a number from 1 to 65536", {}, repeats},
    service::config_key{"topics", kind::number, "a number from 1 to 16", {}, repeats},
};
/// --reformat too: data of others must not be lost at each start.
constexpr std::array<std::string_view, 5> command_line_only{"config", "check", "help", "reformat",
                                                            "version"};

void declare_region(CLI::App& app, service::command_line& line) {
    line.add(app, "-D,--device", "DEVICE", "The device to use; by default the only one");
    line.add(app, "--socket", "PATH", "Join the ivshmem server that listens there instead");
    line.add_flag(app, "--trust-server",
                  "Use the memory of the server although its clients can shrink it");
    line.add(app, "--slot", "N", "The slot of the memory to take; by default the first free one");
    line.add_flag(app, "--reformat",
                  "Use the memory even if it holds other data, or channels of\nanother geometry");
}

void declare_broker(CLI::App& app, service::command_line& line) {
    line.add(app, "--broker", "HOST", "The host of the broker; by default 127.0.0.1");
    line.add(app, "--port", "PORT", "Its port; by default 1883, with TLS 8883");
    line.add(app, "--client-id", "ID",
             "The name of this gateway at the broker; by default one of this\nmachine and device");
    line.add(app, "--session", "SECONDS",
             "How long the broker keeps messages while the gateway is away;\nby default 3600");
    line.add(app, "--keepalive", "SECONDS",
             "The time after which a silent broker counts as gone, 5 to 65535;\nby default 60");
    line.add_flag(app, "--tls", "Use TLS, with the certificates that the system trusts");
    line.add(app, "--ca", "FILE", "Use TLS, with these certificates instead (PEM)");
    line.add(app, "--cert", "FILE", "Use TLS, with this certificate of the gateway (PEM)");
    line.add(app, "--key", "FILE", "The key of --cert (PEM, without a password)");
    line.add(app, "--user", "NAME", "The name of the user at the broker");
    line.add(app, "--password-file", "FILE", "A file with the user's password in a line");
    line.add(app, "--max-message", "SIZE",
             "The longest message, in either direction; by default 1M");
    line.add(app, "--queue-messages", "COUNT",
             "How many messages wait for a broker that is away; by default 1000");
    line.add(app, "--queue-bytes", "SIZE", "How many bytes of them; by default 16M");
}

void declare_rules(CLI::App& app, service::command_line& line) {
    line.add(app, "--slot-topics", "COUNT",
             "The most topics of a slot that pass; by default 16. Of this and\nthe next ones, 0 is "
             "no limit");
    line.add(app, "--slot-retained", "COUNT",
             "The most names of a slot with a retained message; by default 64");
    line.add(app, "--slot-messages", "COUNT",
             "The most messages of a slot in a second; by default 10000");
    line.add(app, "--slot-bytes", "SIZE", "The most bytes of a slot in a second; by default 16M");
    line.add(app, "--out", "TOPIC", "Pass a topic of the region on to the broker, as --to");
    line.add(app, "--in", "FILTER", "Pass messages of the broker on to the region, as --to");
    line.add(app, "--to", "NAME", "The name on the other side; a prefix ends with /");
    line.add(app, "--qos", "QOS", "0, 1 or 2; by default 1");
    line.add(app, "--retain", "BOOL",
             "After --out, the broker retains the last message of each topic;\nby default false. "
             "After --in, take retained messages; by default\ntrue");
    line.add(app, "--allow", "SLOTS", "The slots whose topics pass, as in 1,2; by default all");
    line.add(app, "--size", "SIZE",
             "The room for the messages of each topic in the region; by\ndefault 64K");
    line.add(app, "--messages", "COUNT", "How many messages it holds; by default 64");
    line.add(app, "--topics", "COUNT", "The most topics of this --in, 1 to 16; by default 16");
}

void declare(CLI::App& app, service::command_line& line) {
    app.set_help_flag("-h,--help", "Show this help");
    app.set_version_flag("-V,--version", "ivshmem-gateway " IVSHMEM_VERSION_STRING,
                         "Show the version");
    line.add_configuration(app);
    line.add_flag(app, "-v,--verbose", "Log topics that begin and end, too");
    declare_region(app, line);
    declare_broker(app, line);
    declare_rules(app, line);
}

std::string machine_id() {
    std::string id;
    std::getline(std::ifstream{"/etc/machine-id"} >> std::ws, id);
    return id;
}

options build(const service::command_line& line, failure& f) {
    options_builder made;
    auto& result = made.result();
    result.check = line.check;
    for (const auto& config : line.configs)
        if (!f)
            service::read_files(
                config, config_file, [&](const auto& s) { made.take(s, f); },
                [&] { made.end_source(f); }, f);
    for (const auto& s : line.settings)
        if (!f)
            made.take(s, f);
    made.end_source(f);
    made.finish(f);
    if (result.broker.client_id.empty())
        result.broker.client_id = default_client_id(machine_id(), result.common.device.text());
    return result;
}

} // namespace

const service::config_format config_file{"ivshmem-gateway(8)", keys, command_line_only};

std::string default_client_id(const std::string& machine, const std::string& device) {
    std::uint64_t hash = 0xcbf29ce484222325; // FNV-1a
    for (const std::string& part : {machine, std::string{"\n"}, device})
        for (const char c : part)
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return ivshmem::formatted("ivshmem{:016x}", hash);
}

std::variant<options, int> parse(int argc, const char* const* argv) {
    service::command_line line;
    CLI::App app{description, "ivshmem-gateway"};
    app.footer(footer);
    declare(app, line);
    return line.parse<options>(app, argc, argv, build);
}

} // namespace ivshmem_gateway
