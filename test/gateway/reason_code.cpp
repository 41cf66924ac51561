// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#include "reason_code.hpp"

#include "helpers/catch.hpp"

#include <string>

using namespace ivshmem_gateway;

TEST_CASE("a reason code has words and its number") {
    CHECK(words_for_reason(0x87) == "Not authorized (reason code 0x87)");
    CHECK(words_for_reason(0x8e).ends_with("(reason code 0x8e)"));
}

TEST_CASE("each reason code has words and an advice") {
    for (int code = first_error_code; code < 256; ++code) {
        CAPTURE(code);
        CHECK(words_for_reason(code).size() > std::string{" (reason code 0x00)"}.size());
        CHECK_FALSE(advice_for_reason(code).empty());
    }
}

TEST_CASE("the advice is about the reason") {
    CHECK(advice_for_reason(0x84).find("MQTT 5") != std::string::npos);
    CHECK(advice_for_reason(0x85).find("client-id") != std::string::npos);
    for (const int code : {0x86, 0x87, 0x8c})
        CHECK(advice_for_reason(code).find("password") != std::string::npos);
    for (const int code : {0x88, 0x89, 0x97, 0x9f})
        CHECK(advice_for_reason(code) == "it may have room later");
    for (const int code : {0x9c, 0x9d})
        CHECK(advice_for_reason(code).find("host") != std::string::npos);
    CHECK(advice_for_reason(0x8e).find("client-id") != std::string::npos);
    CHECK(advice_for_reason(0x80) == "its log may say more");
}
