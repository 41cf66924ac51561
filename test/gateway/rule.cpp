// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "rule.hpp"

#include "helpers/catch.hpp"
#include "hostile_names.hpp"
#include "names.hpp"

#include <string>

using namespace ivshmem_gateway;

namespace {

rule out(const std::string& pattern, const std::string& to) {
    return {.way = direction::out, .pattern = pattern, .to = to};
}

rule in(const std::string& filter, const std::string& to) {
    return {.way = direction::in, .pattern = filter, .to = to};
}

/// The mapped name; "-" if no rule matches, "!" if it is refused.
std::string made(const rule& r, const std::string& name) {
    const std::vector<rule> rules{r};
    const auto m = r.way == direction::out ? map_out(rules, name, 0) : map_in(rules, name);
    CHECK(static_cast<bool>(m) == (m.by != nullptr && m.fault.empty()));
    return m.by == nullptr ? "-" : m ? m.name : "!";
}

} // namespace

TEST_CASE("names of topics out") {
    CHECK(made(out("temperature", "plant/t"), "temperature") == "plant/t");
    CHECK(made(out("temperature", "plant/t"), "temperature2") == "-");
    CHECK(made(out("sensors/*", "plant/"), "sensors/a") == "plant/a");
    CHECK(made(out("sensors/*", "plant/s/"), "sensors/a/b") == "plant/s/a/b");
    CHECK(made(out("sensors/*", "plant/"), "sensors/") == "-");
    CHECK(made(out("sensors/*", "plant/"), "sensors") == "-");
    CHECK(made(out("sensors/*", "plant/"), "sensors2/a") == "-");
    CHECK(made(out("s*", "plant/"), "sensors/a") == "plant/ensors/a");
    CHECK(made(out("s*", "plant/"), "s/a") == "!"); // an empty level
    CHECK(made(out("s*", "plant/"), "s") == "-");
    CHECK(made(out("*", "plant/"), "a/b") == "plant/a/b");
}

TEST_CASE("names of topics in") {
    CHECK(made(in("plant/stop", "stop"), "plant/stop") == "stop");
    CHECK(made(in("plant/stop", "stop"), "plant/stop/now") == "-");
    CHECK(made(in("plant/#", "c/"), "plant/a/b") == "c/a/b");
    CHECK(made(in("plant/#", "c/"), "plant") == "-"); // it has no name under c/
    CHECK(made(in("plant/#", "c/"), "plants/a") == "-");
    CHECK(made(in("plant/+/speed", "c/"), "plant/a/speed") == "c/a/speed");
    CHECK(made(in("plant/+/speed", "c/"), "plant/a/b/speed") == "-");
    CHECK(made(in("plant/+/speed", "c/"), "plant/a") == "-");
    CHECK(made(in("+/speed", "c/"), "a/speed") == "c/a/speed");
    CHECK(made(in("+", "c/"), "a") == "c/a");
    CHECK(made(in("+", "c/"), "a/b") == "-");
    CHECK(made(in("#", "c/"), "a/b") == "c/a/b");
    CHECK(made(in("a/+/#", "c/"), "a/b/c/d") == "c/b/c/d");
    CHECK(made(in("a/+/#", "c/"), "a/b") == "-");
    // 59 bytes in the region
    CHECK(made(in("#", "c/"), std::string(57, 'a')) == "c/" + std::string(57, 'a'));
    CHECK(made(in("#", "c/"), std::string(58, 'a')) == "!");
}

TEST_CASE("the first rule that matches applies") {
    std::vector<rule> rules{out("a/b", "one"), out("a/*", "two/"), in("a/b", "three"),
                            out("*", "four/")};
    CHECK(map_out(rules, "a/b", 0).name == "one");
    CHECK(map_out(rules, "a/c", 0).name == "two/c");
    CHECK(map_out(rules, "b", 0).name == "four/b");
    CHECK(map_in(rules, "a/b").by == &rules[2]);
    CHECK(map_in(rules, "a/c").by == nullptr);
    CHECK(map_out({}, "a", 0).by == nullptr);
    rules[0].allowed = {{1, 3}};
    CHECK(map_out(rules, "a/b", 3).name == "one");
    CHECK(map_out(rules, "a/b", 2).name == "two/b");
    // A name that one rule refuses is not tried with the next one.
    rules[0] = out("s*", "one/");
    CHECK(map_out(rules, "s/a", 0).by == &rules[0]);
    CHECK_FALSE(map_out(rules, "s/a", 0));
}

TEST_CASE("a hostile name leaves no prefix") {
    const std::vector<rule> rules{out("sensors/*", "plant/"), in("plant/#", "commands/"),
                                  in("+/#", "all/")};
    for (const auto& hostile : hostile_names()) {
        CAPTURE(hostile.why, hostile.name);
        for (const std::string before : {"", "sensors/", "sensors/a/", "plant/", "plant/a/"}) {
            CAPTURE(before);
            CHECK_FALSE(map_out(rules, before + hostile.name, 0));
            CHECK_FALSE(map_in(rules, before + hostile.name));
        }
    }
}

TEST_CASE("rules that can be used") {
    for (const auto& r : {out("a", "b"), out("*", "b/"), out("a/*", "b/c/"), out("a*", "b/"),
                          out(std::string(58, 'a') + "*", "b/"), in("#", "b/"), in("a", "b"),
                          in("a/+", "b/"), in("#", std::string(57, 'b') + "/")}) {
        CAPTURE(r.pattern, r.to);
        CHECK(rule_fault(r).empty());
    }
}

TEST_CASE("rules that cannot be used") {
    const std::string long_prefix = std::string(58, 'b') + "/";
    for (const auto& [r, side] : std::vector<std::pair<rule, std::string>>{
             {out("", "b"), "out: "},
             {out("a/", "b/"), "out: "},
             {out("a**", "b/"), "out: "},
             {out("*a", "b/"), "out: "},
             {out("a/../*", "b/"), "out: "},
             {out("a/+", "b/"), "out: "},
             {out("#", "b/"), "out: "},
             {out("/*", "b/"), "out: "},
             {out("a//*", "b/"), "out: "},
             {out("\xff*", "b/"), "out: "},
             {out(std::string(59, 'a') + "*", "b/"), "out: "},
             {out(std::string(60, 'a'), "b"), "out: "},
             {out("a/*", "b"), "out ends with *"},
             {out("a", "b/"), "to ends with /"},
             {out("a", ""), "to: "},
             {out("a", "$SYS/b"), "to: "},
             {out("a/*", "$SYS/"), "to: "},
             {out("a/*", "/"), "to: "},
             {out("a/*", "b//"), "to: "},
             {out("a", "b/#"), "to: "},
             {in("", "b"), "in: "},
             {in("a/*", "b/"), "in: "},
             {in("$share/g/a", "b"), "in: "},
             {in("a/#", "b"), "in has wildcards"},
             {in("a", "b/"), "to ends with /"},
             {in("a", ""), "to: "},
             {in("a", "b\n"), "to: "},
             {in("a", std::string(60, 'b')), "to: "},
             {in("#", long_prefix), "to: "},
         }) {
        CAPTURE(r.pattern, r.to);
        CHECK_THAT(rule_fault(r), Catch::Matchers::StartsWith(side));
    }
}
