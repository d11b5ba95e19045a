// What TLS tests need: certificates, other programs, and a blocking client that can misbehave.
#pragma once

#include "hotswap/support/sockets.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace osvm::test {

// What a command prints on both outputs; it gets no input, and a minute.
struct ran {
  int status = -1;
  std::string text;
  bool has(std::string_view what) const { return text.find(what) != std::string::npos; }
};

inline ran run(const std::string& command) {
  ran r;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(
      ::popen(("timeout 60 " + command + " 2>&1 </dev/null").c_str(), "r"), [](std::FILE*) { return 0; });
  if (!out) return r;
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, out.get())) > 0;) r.text.append(buffer, n);
  r.status = ::pclose(out.release());
  return r;
}

inline bool has_program(const std::string& name) {
  return run("which " + name).status == 0;
}

inline std::string text_of(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream(path, std::ios::binary).rdbuf();
  return all.str();
}

// An authority and what it has signed, as PEM files: NAME.pem (with the authority behind it) and NAME.key.
class authority {
 public:
  explicit authority(std::string folder) : dir_(std::move(folder)) {
    must(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch -subj /CN=authority "
        "-days 2 -keyout " +
        dir_ + "/ca.key -out " + dir_ + "/ca.pem");
  }
  void issue(const std::string& name, const std::string& alternative) const {
    const auto at = dir_ + "/" + name;
    std::ofstream(at + ".ext") << "subjectAltName=" << alternative << "\n";
    must("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -batch -subj /CN=" + name +
         " -keyout " + at + ".key -out " + at + ".csr");
    must("openssl x509 -req -in " + at + ".csr -CA " + file() + " -CAkey " + dir_ +
         "/ca.key -CAcreateserial -days 2 -extfile " + at + ".ext -out " + at + ".pem");
    std::ofstream(at + ".pem", std::ios::app) << text_of(file());
  }
  std::string file() const { return dir_ + "/ca.pem"; }

 private:
  static void must(const std::string& command) {
    const auto r = run(command);
    ASSERT_EQ(r.status, 0) << command << "\n" << r.text;
  }
  std::string dir_;
};

// OpenSSL writes by write(): a peer that has gone would end the test. Not for the whole process, since the
// proxy under test shall not depend on it.
class no_sigpipe {
 public:
  no_sigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~no_sigpipe() {
    const timespec now{};
    ::sigtimedwait(&pipe_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  no_sigpipe(const no_sigpipe&) = delete;
  no_sigpipe& operator=(const no_sigpipe&) = delete;

 private:
  sigset_t pipe_{}, before_{};
};

// A blocking TLS client connection whose reads give up after ten seconds.
class tls_client {
 public:
  struct options {
    std::string name{};       // SNI
    std::string protocols{};  // ALPN, as on the wire
    int most = 0;             // newest version
    SSL_SESSION* resume = nullptr;
  };
  tls_client(client plain, const options& o) : plain_(std::move(plain)) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(plain_.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    SSL_CTX_set_max_proto_version(context_.get(), o.most);
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    ssl_.reset(SSL_new(context_.get()));
    if (!o.name.empty()) SSL_set_tlsext_host_name(ssl_.get(), o.name.c_str());
    if (!o.protocols.empty()) {
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(o.protocols.data()),
                          static_cast<unsigned>(o.protocols.size()));
    }
    if (o.resume) SSL_set_session(ssl_.get(), o.resume);
    SSL_set_fd(ssl_.get(), plain_.fd());
    const no_sigpipe quiet;
    connected_ = SSL_connect(ssl_.get()) == 1;
  }
  explicit tls_client(client plain) : tls_client(std::move(plain), options{}) {}

  bool connected() const { return connected_; }
  SSL* get() const { return ssl_.get(); }
  client& below() { return plain_; }
  bool send(std::string_view text) {
    const no_sigpipe quiet;
    return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size());
  }
  // Until `size` bytes are there or nothing more comes.
  std::string read(std::size_t size) {
    std::string out;
    char buffer[16384];
    const no_sigpipe quiet;
    while (out.size() < size) {
      last_ = SSL_read(ssl_.get(), buffer, static_cast<int>(std::min(sizeof buffer, size - out.size())));
      if (last_ <= 0) break;
      out.append(buffer, static_cast<std::size_t>(last_));
    }
    return out;
  }
  // One response with Content-Length; its body.
  std::string body() {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      const auto c = read(1);
      if (c.empty()) return "no answer";
      head += c;
    }
    return read(static_cast<std::size_t>(std::atol(header_of(head, "Content-Length").c_str())));
  }
  std::string get(const std::string& path) {
    send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    return body();
  }
  // The peer has said that this is the end.
  bool ended() {
    const no_sigpipe quiet;
    char byte = 0;
    last_ = SSL_read(ssl_.get(), &byte, 1);
    return last_ <= 0 && SSL_get_error(ssl_.get(), last_) == SSL_ERROR_ZERO_RETURN;
  }
  void finish() {
    const no_sigpipe quiet;
    SSL_shutdown(ssl_.get());
  }
  std::string subject() const {
    std::unique_ptr<X509, void (*)(X509*)> c(SSL_get1_peer_certificate(ssl_.get()), X509_free);
    if (!c) return {};
    char name[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(c.get()), NID_commonName, name, sizeof name);
    return name;
  }

 private:
  struct context_deleter {
    void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
  };
  struct ssl_deleter {
    void operator()(SSL* s) const { SSL_free(s); }
  };
  client plain_;
  std::unique_ptr<SSL_CTX, context_deleter> context_{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL, ssl_deleter> ssl_;
  bool connected_ = false;
  int last_ = 1;
};

}  // namespace osvm::test
