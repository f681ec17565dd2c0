#include "gateway/admin_desk.h"

#include <fmt/core.h>

#include <algorithm>
#include <future>
#include <utility>

#include <simdjson.h>

#include "gateway/json_escape.h"
#include "rules/status_macros.h"

namespace weir::gateway {
namespace {

constexpr int kDeskThreads = 2;

std::vector<std::string_view> Split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (size_t end = text.find(at); end != std::string_view::npos; end = text.find(at)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

// Undoes percent-escapes, and in a query '+'.
absl::StatusOr<std::string> Unescape(std::string_view text, bool in_query) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && in_query) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return absl::InvalidArgumentError("The address has a % without two hexadecimal digits.");
      }
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

absl::Status Take(std::string_view name, std::string_view escaped, bool in_query,
                  AdminQuestion& question) {
  WEIR_ASSIGN_OR_RETURN(std::string value, Unescape(escaped, in_query));
  const bool printable =
      value.find('\0') == std::string::npos && simdjson::validate_utf8(value.data(), value.size());
  if (!printable || value.size() > kAdminValueBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("Write \"{}\" in UTF-8 and in at most {} bytes.", name, kAdminValueBytesMax));
  }
  if (!question.values.emplace(name, std::move(value)).second) {
    return absl::InvalidArgumentError(fmt::format("Write \"{}\" once.", name));
  }
  return absl::OkStatus();
}

// Whether the path is one of the route's; what stands in its variable segments goes into `values`.
bool PathMatches(std::string_view pattern, std::string_view path,
                 std::vector<std::pair<std::string_view, std::string_view>>& values) {
  values.clear();
  const std::vector<std::string_view> wanted = Split(pattern, '/');
  const std::vector<std::string_view> given = Split(path, '/');
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (i >= given.size()) return false;
    if (!wanted[i].starts_with('{')) {
      if (wanted[i] != given[i]) return false;
      continue;
    }
    if (given[i].empty()) return false;
    std::string_view name = wanted[i].substr(1, wanted[i].size() - 2);
    if (name.ends_with("...")) {
      name.remove_suffix(3);
      values.emplace_back(name, path.substr(static_cast<size_t>(given[i].data() - path.data())));
      return true;
    }
    values.emplace_back(name, given[i]);
  }
  return wanted.size() == given.size();
}

absl::Status ReadParameters(
    const AdminRoute& route, std::string_view query,
    const std::vector<std::pair<std::string_view, std::string_view>>& path_values,
    AdminQuestion& question) {
  for (const auto& [name, value] : path_values) {
    WEIR_RETURN_IF_ERROR(Take(name, value, false, question));
  }
  for (const std::string_view pair : Split(query, '&')) {
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    WEIR_ASSIGN_OR_RETURN(const std::string name, Unescape(pair.substr(0, equals), true));
    const AdminParameter* known = nullptr;
    std::string names;
    for (const AdminParameter& parameter : route.query) {
      if (parameter.name == name) known = &parameter;
      names.append(names.empty() ? "" : ", ").append(parameter.name);
    }
    if (known == nullptr) {
      return absl::InvalidArgumentError(
          names.empty()
              ? fmt::format("{} takes no parameters.", route.path)
              : fmt::format("There is no parameter of that name. {} takes {}.", route.path, names));
    }
    const std::string_view value = equals < pair.size() ? pair.substr(equals + 1) : "";
    WEIR_RETURN_IF_ERROR(Take(known->name, value, true, question));
  }
  return absl::OkStatus();
}

absl::Status CheckPerson(const AdminRoute& route, std::string_view authorization,
                         const std::vector<StaffMember>& staff, AdminQuestion& question) {
  if (route.roles.empty()) return absl::OkStatus();
  if (staff.empty()) {
    return absl::PermissionDeniedError(
        "Nobody may look at the ledger here: name people, their roles and the SHA-256 of their "
        "tokens under \"staff\" in the configuration (config/weir.yaml shows how), then reload.");
  }
  const StaffMember* const member = Identify(staff, authorization);
  if (member == nullptr) {
    return absl::UnauthenticatedError(
        "Send your token as \"Authorization: Bearer <token>\"; this is none that the "
        "configuration's \"staff\" has.");
  }
  const std::optional<Role> role = route.roles.FirstOf(member->roles);
  if (!role) {
    return absl::PermissionDeniedError(fmt::format("This takes one of the roles {}; {} has {}.",
                                                   route.roles.ToString(), member->id,
                                                   member->roles.ToString()));
  }
  question.person = member->id;
  question.role = *role;
  return absl::OkStatus();
}

// Writes down who saw what; returns when that is durable.
absl::Status RecordLook(const AdminRoute& route, const AdminQuestion& question, uint64_t returned,
                        AdminSources& sources) {
  audit::Record record;
  record.kind = audit::RecordKind::kAccess;
  record.stage = std::string(route.name);
  record.user = question.person;
  record.cause = std::string(Name(question.role));
  record.status = 200;
  std::string asked;
  std::string words;
  for (const auto& [name, value] : question.values) {
    const bool hidden =
        std::any_of(route.query.begin(), route.query.end(), [&name = name](const auto& parameter) {
          return parameter.words && parameter.name == name;
        });
    if (hidden) words = value;
    const std::string shown = hidden ? fmt::format("words of {} bytes", value.size()) : value;
    asked += fmt::format("{}{}={}", asked.empty() ? " with " : ", ", name, shown);
  }
  record.detail = fmt::format("Asked {} {}{}; {} records were returned.", route.method, route.path,
                              asked, returned);
  std::promise<absl::Status> promise;
  std::future<absl::Status> recorded = promise.get_future();
  auto done = [&promise](const absl::StatusOr<audit::Receipt>& receipt) {
    promise.set_value(receipt.status());
  };
  const bool keep =
      !words.empty() && sources.config.ledger.content == audit::ContentMode::kEncrypted;
  if (keep) {
    sources.ledger.Append(std::move(record),
                          {.text = words, .mode = audit::ContentMode::kEncrypted}, done);
  } else {
    sources.ledger.Append(std::move(record), done);
  }
  return recorded.get();
}

}  // namespace

Admission Admit(const HttpRequest& request, const std::vector<StaffMember>& staff) {
  Admission admission;
  std::vector<std::pair<std::string_view, std::string_view>> path_values;
  const AdminRoute* found = nullptr;
  std::string methods;
  for (const AdminRoute& route : AdminRoutes()) {
    std::vector<std::pair<std::string_view, std::string_view>> values;
    if (found != nullptr || !PathMatches(route.path, request.path, values)) continue;
    methods.append(methods.empty() ? "" : ", ").append(route.method);
    if (route.method != request.method) continue;
    found = &route;
    path_values = std::move(values);
  }
  if (found == nullptr && methods.empty()) {
    admission.refusal =
        AdminProblem(404, "There is nothing here; /admin/v1/openapi.json lists what there is.");
    return admission;
  }
  if (found == nullptr) {
    admission.refusal = AdminProblem(405, fmt::format("Use {}.", methods));
    admission.refusal.head.fields.emplace_back("allow", methods);
    return admission;
  }
  absl::Status status =
      CheckPerson(*found, Find(request.fields, "authorization"), staff, admission.question);
  if (status.ok()) {
    status = ReadParameters(*found, request.query, path_values, admission.question);
  }
  if (status.ok()) {
    admission.route = found;
    admission.question.body = request.body;
  } else {
    admission.refusal = AdminProblem(status);
  }
  return admission;
}

AdminResponse AnswerAtDesk(const HttpRequest& request, AdminSources& sources) {
  Admission admission = Admit(request, sources.config.staff);
  if (admission.route == nullptr) return std::move(admission.refusal);
  const AdminRoute& route = *admission.route;
  absl::StatusOr<AdminAnswer> answer = route.answer(admission.question, sources);
  // Who asks for what is not there learns that it is not there.
  const bool looked = answer.ok() || absl::IsNotFound(answer.status());
  if (route.trace == AdminTrace::kLook && looked) {
    const uint64_t returned = answer.ok() ? answer->returned : 0;
    const absl::Status recorded = RecordLook(route, admission.question, returned, sources);
    if (!recorded.ok()) {
      return AdminProblem(503,
                          fmt::format("Nothing is shown, because it cannot be recorded that it "
                                      "was: {}",
                                      std::string(recorded.message())));
    }
  }
  if (!answer.ok()) return AdminProblem(answer.status());
  return std::move(answer->response);
}

absl::StatusOr<std::unique_ptr<AdminDesk>> AdminDesk::Open(LedgerSource ledger, std::string dir,
                                                           CurrentConfig current) {
  std::unique_ptr<AdminDesk> desk(
      new AdminDesk(std::move(ledger), std::move(dir), std::move(current)));
  for (int i = 0; i < kDeskThreads; ++i) {
    WEIR_ASSIGN_OR_RETURN(Seat seat, desk->TakeSeat());
    desk->threads_.emplace_back(
        [self = desk.get(), seat = std::move(seat)]() mutable { self->Serve(std::move(seat)); });
  }
  return desk;
}

absl::StatusOr<AdminDesk::Seat> AdminDesk::TakeSeat() const {
  Seat seat{.ledger = ledger_(), .reader = nullptr};
  WEIR_ASSIGN_OR_RETURN(seat.reader, audit::Reader::Open(dir_));
  return seat;
}

AdminDesk::~AdminDesk() {
  std::deque<Waiting> refused;
  {
    const std::lock_guard lock(mu_);
    closing_ = true;
    refused.swap(queue_);
  }
  wake_.notify_all();
  for (Waiting& waiting : refused) waiting.done(AdminProblem(503, "Weir is stopping."));
  for (std::thread& thread : threads_) thread.join();
}

bool AdminDesk::Answers(std::string_view path) {
  return path.starts_with("/admin/v1/") || path.starts_with("/tiles/");
}

std::optional<AdminResponse> AdminDesk::Refuse(const HttpRequest& request) const {
  const std::shared_ptr<const Config> config = current_();
  Admission admission = Admit(request, config->staff);
  if (admission.route != nullptr) return std::nullopt;
  return std::move(admission.refusal);
}

void AdminDesk::HandIn(HttpRequest request, Done done) {
  {
    const std::lock_guard lock(mu_);
    if (queue_.size() < kDeskQueueMax && !closing_) {
      queue_.push_back({std::move(request), std::move(done)});
      wake_.notify_one();
      return;
    }
  }
  AdminResponse full = AdminProblem(
      503, fmt::format("{} questions wait for an answer already; ask again in a moment.",
                       kDeskQueueMax));
  full.head.fields.emplace_back("retry-after", "1");
  done(std::move(full));
}

void AdminDesk::Serve(Seat seat) {
  for (;;) {
    Waiting next;
    {
      std::unique_lock lock(mu_);
      wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    if (ledger_() != seat.ledger) {
      absl::StatusOr<Seat> fresh = TakeSeat();
      if (!fresh.ok()) {
        next.done(AdminProblem(503, std::string(fresh.status().message())));
        continue;
      }
      seat = *std::move(fresh);
    }
    const std::shared_ptr<const Config> config = current_();
    AdminSources sources{.ledger = *seat.ledger, .reader = *seat.reader, .config = *config};
    next.done(AnswerAtDesk(next.request, sources));
  }
}

}  // namespace weir::gateway
