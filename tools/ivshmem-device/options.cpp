// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options.hpp"

#include "complete_options.hpp"
#include "service/size_option.hpp"

#include <ivshmem/version.hpp>

#include <CLI/CLI.hpp>

#include <iostream>
#include <map>

namespace ivshmem_device {

namespace {

constexpr const char* description =
    R"(Presents inter-VM shared memory devices to virtual machines over the vfio-user
protocol, one UNIX socket for each machine. QEMU has the client since 10.1:

  -object memory-backend-memfd,id=ram,size=1G,share=on -machine memory-backend=ram
  -device '{"driver":"vfio-user-pci","socket":{"type":"unix","path":"PATH"}}'

Profiles:
  v2                ivshmem-v2 as Jailhouse has it: states, protected sections
  qemu              QEMU's ivshmem-doorbell; with --vectors 0 its ivshmem-plain
  acrn-hv           ACRN's hypervisor: 8 vectors, the id is the VM's
  acrn-dm           ACRN's device model: memory only
  cloud-hypervisor  memory only, no BAR 1
  revision-0        QEMU before 2.6: revision 0, with MSI-X or INTx
  axvisor           AxVisor: v1's PCI ids with registers like v2's)";

constexpr const char* footer = R"(
SIZE is a number of bytes: 4194304, 4M, 1.5G, 0x400000. Sockets that systemd
passes (LISTEN_FDS) are used instead of --socket and not removed. Readiness is
reported to systemd (NOTIFY_SOCKET).

Exit codes: 0 ended by SIGTERM, SIGINT or SIGHUP (sockets removed), or -h; 1 a
bad option, or the devices could not start or had to stop: stderr says why.)";

const std::map<std::string, profile> profile_names{
    {"v2", profile::v2},
    {"qemu", profile::qemu},
    {"acrn-hv", profile::acrn_hv},
    {"acrn-dm", profile::acrn_dm},
    {"cloud-hypervisor", profile::cloud_hypervisor},
    {"revision-0", profile::revision_0},
    {"axvisor", profile::axvisor},
};

/// Returns a range check without CLI11's own description, because the option's text has the range.
CLI::Validator between(unsigned least, unsigned most) {
    return CLI::Range(least, most).description("");
}

CLI::Validator not_empty() {
    return {[](const std::string& value) { return value.empty() ? "the name is empty" : ""; }, "",
            "not empty"};
}

/// Takes a size as ivshmem-server does.
CLI::Validator a_size() {
    return CLI::Validator{service::convert_size, "", "size"};
}

/// Takes the size of a section that may be absent.
CLI::Validator a_size_or_0() {
    return {
        [](std::string& text) { return text == "0" ? std::string{} : service::convert_size(text); },
        "", "size"};
}

void declare_common(CLI::App& app, options& o, raw_options& r) {
    app.set_help_flag("-h,--help", "Show this help");
    app.set_version_flag("-V,--version", "ivshmem-device " IVSHMEM_VERSION_STRING,
                         "Show the version");
    app.add_option("PROFILE", r.profile_name, "The kind of device")->required()->type_name("");
    app.add_flag("-v,--verbose", o.verbose, "Log more messages");
    app.add_option("-S,--socket", o.sockets,
                   "The UNIX socket to listen on for a VM. The first is that\nof VM 0, the next of "
                   "VM 1, and so on")
        ->check(not_empty())
        ->type_name("PATH")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->expected(1)
        ->allow_extra_args(false);
    app.add_option("-n,--vectors", o.vectors,
                   "Interrupt vectors of each device, 1 to 256; for qemu also 0.\nNot for acrn-hv, "
                   "which has 8. Default: 2 for v2, else 1")
        ->check(between(0, most_vectors))
        ->type_name("COUNT");
    app.add_flag("--express", o.express,
                 "A PCI Express endpoint, so that the guest's kernel can report\nerrors of it");
    app.add_flag("--intx", o.intx, "v2, revision-0: INTx instead of MSI-X");
}

void declare_v1(CLI::App& app, options& o, raw_options& r) {
    app.add_option("-l,--size", o.size,
                   "All but v2: bytes of memory, by default 4M; rounded up\nto "
                   "a power of two")
        ->transform(a_size())
        ->type_name("SIZE");
    app.add_option("--server", o.server,
                   "qemu: be a peer of the ivshmem server at this socket, which\ngives the memory "
                   "and the ids")
        ->check(not_empty())
        ->type_name("PATH");
    app.add_option("--id", o.first_id, "acrn-hv: the id of the first VM, 0 to 65535")
        ->check(between(0, most_vms - 1))
        ->type_name("ID");
    app.add_option("--region", o.region, "acrn-hv: the id of the region, 0 to 65535")
        ->check(between(0, most_vms - 1))
        ->type_name("ID");
    app.add_option(
           "--late", r.late,
           "revision-0: after a reset, IVPosition is -1 for this time,\nup to 4294967295 ms")
        ->type_name("MILLISECONDS");
}

void declare_v2(CLI::App& app, options& o, raw_options& r) {
    v2_layout& l = o.v2.layout;
    app.add_option("--max-peers", l.max_peers,
                   "v2: the peers that the memory has room for, 2 to 65536; by\ndefault as many as "
                   "there are sockets, and at least 2")
        ->check(between(2, most_vms))
        ->type_name("COUNT");
    app.add_option("--protocol", o.v2.protocol, "v2: the number in the class code, 0 to 65535")
        ->check(between(0, 65535))
        ->type_name("NUMBER");
    app.add_option("--state-size", l.state_table,
                   "v2: bytes of the state table, at least 4 for each peer")
        ->transform(a_size())
        ->type_name("SIZE");
    app.add_option("--rw-size", l.read_write,
                   "v2: bytes of the read/write section, by default 1M; 0: none")
        ->transform(a_size_or_0())
        ->type_name("SIZE");
    app.add_option("--output-size", l.output,
                   "v2: bytes of each peer's output section, by default 256K;\n0: none")
        ->transform(a_size_or_0())
        ->type_name("SIZE");
    app.add_flag("--protect", o.v2.protect,
                 "v2: stores of a VM into the state table and the output\nsections of others never "
                 "arrive. Slower: each load there is\na message");
    app.add_flag("--no-bar2", r.no_bar2,
                 "v2: no BAR 2; the capability has the address of the memory");
}

void report(const std::string& what) {
    std::cerr << "ivshmem-device: " << what << "\nTry 'ivshmem-device -h'.\n";
}

} // namespace

std::variant<options, int> parse(int argc, const char* const* argv, std::size_t passed) {
    options o;
    o.v2.layout.read_write = std::uint64_t{1} << 20;
    o.v2.layout.output = std::uint64_t{256} << 10;
    raw_options r;
    CLI::App app{description, "ivshmem-device"};
    app.footer(footer);
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast); // as getopt does
    declare_common(app, o, r);
    declare_v1(app, o, r);
    declare_v2(app, o, r);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        report(e.what());
        return 1;
    }
    const auto found = profile_names.find(r.profile_name);
    if (found == profile_names.end()) {
        report(
            "unknown profile \"" + r.profile_name +
            "\"; there are v2, qemu, acrn-hv, acrn-dm, cloud-hypervisor, revision-0 and axvisor");
        return 1;
    }
    o.what = found->second;
    r.is_given = [&](const char* option) {
        return app.count(option) != 0;
    };
    if (const std::string what = complete(o, r, passed); !what.empty()) {
        report(what);
        return 1;
    }
    return o;
}

} // namespace ivshmem_device
