// The one place where the non-template implementation of Asio's TLS is compiled.
#include <boost/asio/ssl/impl/src.hpp>
