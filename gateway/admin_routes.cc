#include "gateway/admin_content.h"
#include "gateway/admin_decisions.h"
#include "gateway/admin_route.h"
#include "gateway/admin_tiles.h"

namespace weir::gateway {
namespace {

absl::StatusOr<AdminAnswer> OpenApi(const AdminQuestion&, AdminSources&) {
  return AdminAnswer{AdminBody("application/json", AdminOpenApi())};
}

void Add(std::vector<AdminRoute> routes, std::vector<AdminRoute>& all) {
  for (AdminRoute& route : routes) all.push_back(std::move(route));
}

}  // namespace

const std::vector<AdminRoute>& AdminRoutes() {
  static const auto* const kRoutes = [] {
    auto* const routes = new std::vector<AdminRoute>;
    Add(DecisionRoutes(), *routes);
    Add(ContentRoutes(), *routes);
    Add(TileRoutes(), *routes);
    routes->push_back({.method = "GET",
                       .path = "/admin/v1/openapi.json",
                       .name = "OpenApi",
                       .summary = "This document.",
                       .roles = {},
                       .trace = AdminTrace::kNone,
                       .query = {},
                       .media_type = "application/json",
                       .schema = "",
                       .answer = OpenApi});
    return routes;
  }();
  return *kRoutes;
}

const std::string& AdminQuestion::Value(std::string_view name) const {
  static const std::string* const kNone = new std::string;
  const auto found = values.find(name);
  return found == values.end() ? *kNone : found->second;
}

}  // namespace weir::gateway
