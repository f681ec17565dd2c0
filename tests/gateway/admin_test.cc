#include "gateway/admin.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/json.h"

namespace weir::gateway {
namespace {

using ::testing::HasSubstr;

AdminResponse Ask(const std::string& method, const std::string& path, const std::string& query,
                  const AdminState& state) {
  Metrics metrics(1);
  metrics.Increment(0, metrics.Counter("weir_exchanges_total", "", "Exchanges."), 7);
  HttpRequest request;
  request.method = method;
  request.path = path;
  request.query = query;
  return HandleAdmin(request, state, metrics);
}

AdminState Healthy() {
  return {false, absl::OkStatus(), "sha256:00"};
}

TEST(AdminTest, LivezNeedsNothing) {
  const AdminState broken = {true, absl::DataLossError("The disk is full."), ""};
  const AdminResponse response = Ask("GET", "/livez", "", broken);
  EXPECT_EQ(response.head.status, 200);
  EXPECT_EQ(response.body, "ok\n");
}

TEST(AdminTest, ReadyzIsShortWhenAllIsWell) {
  const AdminResponse response = Ask("GET", "/readyz", "", Healthy());
  EXPECT_EQ(response.head.status, 200);
  EXPECT_EQ(response.body, "ok\n");
  EXPECT_EQ(Find(response.head.fields, "content-type"), "text/plain; charset=utf-8");
}

TEST(AdminTest, ReadyzVerboseListsTheChecks) {
  const AdminResponse response = Ask("GET", "/readyz", "verbose", Healthy());
  EXPECT_EQ(response.head.status, 200);
  EXPECT_EQ(response.body, "[+]rules ok\n[+]ledger ok\n[+]drain ok\nreadyz check passed\n");
}

TEST(AdminTest, ReadyzSaysEveryReasonUnasked) {
  const AdminState broken = {true, absl::DataLossError("The disk is full."), ""};
  const AdminResponse response = Ask("GET", "/readyz", "", broken);
  EXPECT_EQ(response.head.status, 503);
  EXPECT_EQ(response.body,
            "[-]rules failed: no bundle is loaded\n"
            "[-]ledger failed: The disk is full.\n"
            "[-]drain failed: the process is draining and takes no new connections\n"
            "readyz check failed\n");
}

TEST(AdminTest, OneFailedCheckIsEnough) {
  AdminState state = Healthy();
  state.draining = true;
  EXPECT_EQ(Ask("GET", "/readyz", "", state).head.status, 503);
  state = Healthy();
  state.ledger = absl::DataLossError("The disk is full.");
  const AdminResponse response = Ask("GET", "/readyz", "", state);
  EXPECT_EQ(response.head.status, 503);
  EXPECT_THAT(response.body, HasSubstr("[+]rules ok\n[-]ledger failed: The disk is full.\n"));
}

TEST(AdminTest, MetricsAreTheExposition) {
  const AdminResponse response = Ask("GET", "/metrics", "", Healthy());
  EXPECT_EQ(response.head.status, 200);
  EXPECT_EQ(Find(response.head.fields, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(response.body, HasSubstr("weir_exchanges_total 7\n"));
}

TEST(AdminTest, OtherPathsAreProblems) {
  for (const std::string path : {"/", "/metrics/", "/READYZ", "/admin/v1/decisions"}) {
    const AdminResponse response = Ask("GET", path, "", Healthy());
    EXPECT_EQ(response.head.status, 404) << path;
    EXPECT_EQ(Find(response.head.fields, "content-type"), "application/problem+json");
    EXPECT_TRUE(JsonDocument::Parse(response.body, JsonLimits()).ok()) << response.body;
    EXPECT_THAT(response.body, HasSubstr("\"title\":\"Not Found\",\"status\":404"));
  }
}

TEST(AdminTest, OtherMethodsAreToldWhatIsAllowed) {
  for (const std::string method : {"POST", "HEAD", "DELETE"}) {
    const AdminResponse response = Ask(method, "/metrics", "", Healthy());
    EXPECT_EQ(response.head.status, 405) << method;
    EXPECT_EQ(Find(response.head.fields, "allow"), "GET");
    EXPECT_TRUE(JsonDocument::Parse(response.body, JsonLimits()).ok()) << response.body;
  }
}

}  // namespace
}  // namespace weir::gateway
