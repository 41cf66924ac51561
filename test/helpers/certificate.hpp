// SPDX-License-Identifier: BSL-1.0
// SPDX-FileCopyrightText: The libivshmem authors
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace test {

/// A key and a self-signed certificate, both in PEM, valid from yesterday to tomorrow.
class certificate {
  public:
    explicit certificate(const std::string& host) {
        const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair{EVP_EC_gen("P-256"),
                                                                       &EVP_PKEY_free};
        const std::unique_ptr<X509, decltype(&X509_free)> signed_by_it{X509_new(), &X509_free};
        X509* const made = signed_by_it.get();
        constexpr long day = 24L * 60 * 60;
        must(pair && made != nullptr);
        must(X509_set_version(made, 2));
        must(ASN1_INTEGER_set(X509_get_serialNumber(made), 1));
        must(X509_gmtime_adj(X509_getm_notBefore(made), -day) != nullptr);
        must(X509_gmtime_adj(X509_getm_notAfter(made), day) != nullptr);
        X509_NAME* const name = X509_get_subject_name(made);
        const auto* const text = reinterpret_cast<const unsigned char*>(host.c_str());
        must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0));
        must(X509_set_issuer_name(made, name));
        const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> names{
            X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + host).c_str()),
            &X509_EXTENSION_free};
        must(X509_add_ext(made, names.get(), -1));
        must(X509_set_pubkey(made, pair.get()));
        must(X509_sign(made, pair.get(), EVP_sha256()));
        key_ = written([&](BIO* to) {
            return PEM_write_bio_PrivateKey(to, pair.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
        text_ = written([&](BIO* to) { return PEM_write_bio_X509(to, made); });
    }

    [[nodiscard]] const std::string& key() const { return key_; }
    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    static void must(int done) {
        if (done == 0)
            throw std::runtime_error{"OpenSSL cannot make a certificate"};
    }
    template <typename Write>
    static std::string written(Write&& write) {
        const std::unique_ptr<BIO, decltype(&BIO_free)> memory{BIO_new(BIO_s_mem()), &BIO_free};
        must(memory != nullptr);
        must(write(memory.get()));
        char* data = nullptr;
        const long size = BIO_get_mem_data(memory.get(), &data);
        return {data, static_cast<std::size_t>(size)};
    }

    std::string key_;
    std::string text_;
};

} // namespace test
