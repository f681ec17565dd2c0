// TLS over a connected socket. Only for byte_stream.cc.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include "gateway/connection.h"

namespace weir::gateway {

// The handshake is over when these return. `context` outlives the stream.
Task<absl::StatusOr<std::unique_ptr<ByteStream>>> AcceptTls(boost::asio::ip::tcp::socket socket,
                                                            std::string peer,
                                                            boost::asio::ssl::context& context,
                                                            Clock::time_point deadline);
// The certificate's chain must lead to the context's trust store, and it must name `host`, whatever
// the context itself demands.
Task<absl::StatusOr<std::unique_ptr<ByteStream>>> ConnectTls(boost::asio::ip::tcp::socket socket,
                                                             std::string peer,
                                                             boost::asio::ssl::context& context,
                                                             std::string host,
                                                             Clock::time_point deadline);

}  // namespace weir::gateway
