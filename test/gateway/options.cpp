// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "options.hpp"

#include "credential.hpp"
#include "helpers/catch.hpp"
#include "options_builder.hpp"

#include <cstdlib>

using namespace ivshmem_gateway;

namespace {

using lines = std::vector<std::pair<std::string, std::string>>;

/// Options of the lines of a file. `said` is the error; each line has the place "KEY".
options built(const lines& file, std::string& said, const lines& typed = {}) {
    ivshmem::failure f;
    options_builder made;
    for (const auto& [key, value] : file)
        if (!f)
            made.take({.where = key, .key = key, .value = value, .in_file = true}, f);
    made.end_source(f);
    for (const auto& [key, value] : typed)
        if (!f)
            made.take({.where = "--" + key, .key = key, .value = value}, f);
    made.end_source(f);
    made.finish(f);
    said = f.message();
    return made.result();
}

const lines one_rule{{"out", "a"}, {"to", "b"}};

/// The options of these lines and a rule.
options with_rule(lines file, const lines& typed = {}) {
    file.insert(file.end(), one_rule.begin(), one_rule.end());
    std::string said;
    auto o = built(file, said, typed);
    CHECK(said.empty());
    return o;
}

} // namespace

TEST_CASE("settings of a rule") {
    std::string said;
    const auto o = built({{"out", "a/*"},
                          {"to", "b/"},
                          {"qos", "2"},
                          {"retain", "true"},
                          {"allow", "1,7"},
                          {"in", "c/#"},
                          {"to", "d/"},
                          {"qos", "0"},
                          {"retain", "false"},
                          {"size", "1M"},
                          {"messages", "8"},
                          {"topics", "3"},
                          {"in", "e"},
                          {"to", "f"},
                          {"out", "g"},
                          {"to", "h"}},
                         said);
    REQUIRE(said.empty());
    REQUIRE(o.rules.size() == 4);
    const auto& out = o.rules[0];
    CHECK(out.way == direction::out);
    CHECK(out.pattern == "a/*");
    CHECK(out.to == "b/");
    CHECK(out.qos == 2);
    CHECK(out.retain);
    CHECK(out.allowed == std::vector<std::uint32_t>{1, 7});
    const auto& in = o.rules[1];
    CHECK(in.way == direction::in);
    CHECK(in.qos == 0);
    CHECK_FALSE(in.retain);
    CHECK(in.size == 1 << 20U);
    CHECK(in.messages == 8);
    CHECK(in.topics == 3);
    CHECK(o.rules[2].qos == 1);
    CHECK(o.rules[2].retain);
    CHECK_FALSE(o.rules[3].retain);
    CHECK_FALSE(o.rules[3].allowed);
}

TEST_CASE("settings of the broker") {
    const auto plain = with_rule({});
    CHECK(plain.broker.host == "127.0.0.1");
    CHECK(plain.broker.port == 1883);
    CHECK_FALSE(plain.broker.tls);
    const auto all = with_rule({{"broker", "mqtt.example"},
                                {"client-id", "me"},
                                {"session", "0"},
                                {"keepalive", "5"},
                                {"ca", "/ca"},
                                {"cert", "/cert"},
                                {"key", "/key"},
                                {"user", "u"},
                                {"password-file", "/p"},
                                {"queue-messages", "7"},
                                {"queue-bytes", "7K"},
                                {"max-message", "2M"},
                                {"slot-topics", "0"},
                                {"slot-retained", "1"},
                                {"slot-messages", "2"},
                                {"slot-bytes", "3K"}});
    CHECK(all.broker.host == "mqtt.example");
    CHECK(all.broker.port == 8883);
    CHECK(all.broker.tls);
    CHECK(all.broker.client_id == "me");
    CHECK(all.broker.session.count() == 0);
    CHECK(all.broker.keep_alive.count() == 5);
    CHECK(all.broker.ca_file == "/ca");
    CHECK(all.broker.certificate_file == "/cert");
    CHECK(all.broker.key_file == "/key");
    CHECK(all.broker.user == "u");
    CHECK(all.broker.password_file == "/p");
    CHECK(all.broker.queue_messages == 7);
    CHECK(all.broker.queue_bytes == 7168);
    CHECK(all.max_message == 2 << 20U);
    CHECK(all.broker.longest_packet > all.max_message + 65535); // a payload and the longest name
    CHECK(all.each_slot.topics == 0);
    CHECK(all.each_slot.retained == 1);
    CHECK(all.each_slot.messages == 2);
    CHECK(all.each_slot.bytes == 3072);
    // The command line overrides, and its last one counts.
    CHECK(with_rule({{"port", "1"}}, {{"port", "2"}, {"port", "3"}}).broker.port == 3);
    CHECK(with_rule({{"tls", "true"}}).broker.port == 8883);
}

TEST_CASE("settings that are refused") {
    const lines out{{"out", "a/*"}, {"to", "b/"}};
    const lines in{{"in", "a/#"}, {"to", "b/"}};
    const auto and_then = [](lines first, const lines& more) {
        first.insert(first.end(), more.begin(), more.end());
        return first;
    };
    for (const auto& [file, says] : std::vector<std::pair<lines, std::string>>{
             {{}, "nothing is mapped"},
             {{{"out", "a"}}, "out: it needs to"},
             {{{"to", "a"}}, "to: it follows out or in"},
             {{{"qos", "1"}}, "qos: it follows out or in"},
             {{{"size", "64"}}, "size: it follows in"},
             {and_then(out, {{"to", "c/"}}), "to: it is already set"},
             {and_then(out, {{"topics", "1"}}), "topics: it follows in"},
             {and_then(in, {{"allow", "1"}}), "allow: it follows out"},
             {and_then(out, {{"qos", "3"}}), "qos: \"3\": it takes 0 to 2"},
             {and_then(out, {{"qos", "-1"}}), "qos: "},
             {and_then(out, {{"retain", "1"}}), "retain: it takes true or false"},
             {and_then(out, {{"allow", "1,,2"}}), "no list of slots"},
             {and_then(out, out), "it has a rule already: out"},
             {and_then(in, {{"size", "63"}}), "size: \"63\": it takes 64 to"},
             {and_then(in, {{"messages", "65537"}}), "messages: "},
             {and_then(in, {{"topics", "17"}}), "topics: "},
             {{{"out", "a/*"}, {"to", "b"}}, "out: out ends with *, so to must end with /"},
             {{{"in", "$SYS/#"}, {"to", "b/"}}, "in: in: it has one of $"},
             {and_then(out, {{"port", "0"}}), "port: "},
             {and_then(out, {{"port", "1"}, {"port", "1"}}), "port: all services have one"},
             {and_then(out, {{"keepalive", "4"}}), "keepalive: "},
             {and_then(out, {{"broker", "a\x01"}}), "broker: it has a control character"},
             {and_then(out, {{"client-id", "\xff"}}), "client-id: it is not valid UTF-8"},
             {and_then(out, {{"user", std::string(65536, 'a')}}), "user: it is longer"},
             {and_then(out, {{"ca", "relative"}}), "ca: it takes an absolute path"},
             {and_then(out, {{"ca", "credential:../x"}}), "the name of a credential"},
             {and_then(out, {{"cert", "/x"}}), "cert and key"},
             {and_then(out, {{"key", "/x"}}), "cert and key"},
             {and_then(out, {{"password-file", "/x"}}), "user is not"},
             {and_then(out, {{"max-message", "0"}}), "max-message: "},
             {and_then(out, {{"queue-messages", "0"}}), "queue-messages: "},
         }) {
        std::string said;
        static_cast<void>(built(file, said));
        CHECK_THAT(said, Catch::Matchers::Contains(says));
    }
}

TEST_CASE("a credential of systemd") {
    std::string why;
    ::unsetenv("CREDENTIALS_DIRECTORY"); // NOLINT: one thread
    CHECK(lacks_directory(path_of("credential:password", true, why)));
    std::string said;
    auto lines = one_rule;
    lines.insert(lines.end(), {{"user", "u"}, {"password-file", "credential:password"}});
    static_cast<void>(built(lines, said));
    CHECK_THAT(said, Catch::Matchers::Contains("LoadCredential="));
    ::setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1); // NOLINT
    CHECK(built(lines, said).broker.password_file == "/run/credentials/x/password");
    CHECK(said.empty());
    CHECK(path_of("file", false, why) == "file");
    CHECK(why.empty());
    ::unsetenv("CREDENTIALS_DIRECTORY"); // NOLINT
}

TEST_CASE("the default identifier of the client") {
    const auto id = default_client_id("machine", "any");
    CHECK(id.size() == 23);
    CHECK(id.find_first_not_of("ivshmem0123456789abcdef") == std::string::npos);
    CHECK(id == default_client_id("machine", "any"));
    CHECK(id != default_client_id("machine2", "any"));
    CHECK(id != default_client_id("machine", "0000:00:04.0"));
}
