#include "gateway/admin_route.h"
#include "gateway/json.h"

namespace weir::gateway {
namespace {

// What needs no ledger, and what JSON answers hold. Records are as audit/FORMAT.md says.
constexpr std::string_view kFixedPaths = R"(
"/livez":{"get":{"operationId":"Livez","summary":"200 while the process can answer.","security":[
],
"responses":{"200":{"description":"alive","content":{"text/plain":{}}}}}},
"/readyz":{"get":{"operationId":"Readyz","summary":"200 when decisions can be made and recorded.",
"security":[],
"parameters":[{"name":"verbose","in":"query","description":"One line for each check.",
"allowEmptyValue":true,"schema":{"type":"string"}}],
"responses":{"200":{"description":"ready","content":{"text/plain":{}}},"503":{
"description":"not ready, and why","content":{"text/plain":{}}}}}},
"/metrics":{"get":{"operationId":"Metrics","summary":"Prometheus text.","security":[],
"responses":{"200":{"description":"metrics","content":{"text/plain":{}}}}}},)";

constexpr std::string_view kComponents = R"(
"components":{"securitySchemes":{"staff":{"type":"http","scheme":"bearer",
"description":"The token of a member of staff."}},
"schemas":{
"Problem":{"type":"object","description":"RFC 9457","required":["type","title","status","detail"],
"properties":{
"type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},"detail":{
"type":"string"}}},
"Record":{"type":"object",
"description":"A record, byte for byte as it was hashed; defaults are left out.",
"required":["v","seq","time","kind"],"properties":{
"v":{"const":1},"seq":{"type":"integer"},"time":{"type":"string","format":"date-time"},
"kind":{"enum":["prompt","answer","failure","interrupted","service","access"]},
"exchange":{"type":"string"},"stage":{"type":"string"},"app":{"type":"string"},"user":{
"type":"string"},
"profile":{"type":"string"},"region":{"type":"string"},"dialect":{"type":"string"},"model":{
"type":"string"},
"upstream":{"type":"string"},"direction":{"enum":["prompt","answer"]},
"action":{"enum":["allow","flag","mask","replace","block"]},"review":{"type":"boolean"},"bundle":{
"type":"string"},
"findings":{"type":"array","items":{"type":"object","properties":{
"rule":{"type":"string"},"category":{"type":"string"},"severity":{"type":"string"},"lane":{
"type":"string"},
"part":{"type":"string"},"start":{"type":"integer"},"end":{"type":"integer"},"action":{
"type":"string"}}}},
"findings_total":{"type":"integer"},"content_digest":{"type":"string"},"content_bytes":{
"type":"integer"},
"status":{"type":"integer"},"duration_us":{"type":"integer"},"cause":{"type":"string"},"detail":{
"type":"string"}}},
"Content":{"type":"object","required":["seq","content"],"properties":{
"seq":{"type":"integer"},"content":{"type":"string"}}},
"DecisionPage":{"type":"object","required":["decisions"],"properties":{
"decisions":{"type":"array","items":{"$ref":"#/components/schemas/Record"}},
"logs":{"type":"array","items":{"type":"string"},
"description":"With scope=fleet: the origin of the log that each decision is from."},
"next_cursor":{"type":"string","description":"There are more; give it as cursor."}}},
"Count":{"type":"object","required":["count","complete"],"properties":{
"count":{"type":"integer"},
"complete":{"type":"boolean","description":"false: more may match before next_cursor"},
"next_cursor":{"type":"string"}}},
"Histogram":{"type":"object","required":["interval","buckets","to","complete"],"properties":{
"interval":{"enum":["minute","hour","day"]},
"buckets":{"type":"array","items":{"type":"object","required":["from","count"],"properties":{
"from":{"type":"string","format":"date-time"},"count":{"type":"integer"}}}},
"to":{"type":"string","format":"date-time"},"complete":{"type":"boolean"},
"next_cursor":{"type":"string"}}}
}}}
)";

void Field(std::string_view key, std::string_view text, std::string& out) {
  AppendJsonString(out, key);
  out += ':';
  AppendJsonString(out, text);
}

void AppendParameter(std::string_view name, std::string_view place, std::string_view description,
                     bool number, std::string& out) {
  if (!out.ends_with('[')) out += ',';
  out += '{';
  Field("name", name, out);
  out += ',';
  Field("in", place, out);
  out += place == "path" ? ",\"required\":true," : ",";
  Field("description", description, out);
  out += number ? R"(,"schema":{"type":"integer"}})" : R"(,"schema":{"type":"string"}})";
}

// OpenAPI has no parameter that spans segments, so "{name...}" is written as "{name}".
std::string PathAndParameters(std::string_view path, std::string& parameters) {
  std::string written;
  for (size_t at = 0; at < path.size();) {
    const size_t open = std::min(path.find('{', at), path.size());
    written.append(path.substr(at, open - at));
    if (open == path.size()) break;
    const size_t close = path.find('}', open);
    std::string_view name = path.substr(open + 1, close - open - 1);
    const bool rest = name.ends_with("...");
    if (rest) name.remove_suffix(3);
    AppendParameter(name, "path", rest ? "One or more segments." : "One segment.", false,
                    parameters);
    written.append("{").append(name).append("}");
    at = close + 1;
  }
  return written;
}

void AppendOperation(const AdminRoute& route, std::string& parameters, std::string& out) {
  std::string method(route.method);
  for (char& c : method) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  AppendJsonString(out, method);
  out += ":{";
  Field("operationId", route.name, out);
  out += ',';
  Field("summary", route.summary, out);
  if (route.roles.empty()) {
    out += ",\"security\":[]";
  } else {
    out += ',';
    Field("description", "Roles: " + route.roles.ToString() + ".", out);
  }
  for (const AdminParameter& parameter : route.query) {
    AppendParameter(parameter.name, "query", parameter.description, parameter.number, parameters);
  }
  out.append(",\"parameters\":").append(parameters).append("]");
  if (route.method == "POST") {
    out += R"(,"requestBody":{"content":{"application/json":{}}})";
  }
  out += R"(,"responses":{"200":{"description":"what was asked for","content":{)";
  AppendJsonString(out, route.media_type);
  out += ":{";
  if (!route.schema.empty()) {
    out += "\"schema\":{";
    Field("$ref", "#/components/schemas/" + std::string(route.schema), out);
    out += '}';
  }
  out +=
      R"(}}},"default":{"description":"why not","content":{"application/problem+json":{"schema":)"
      R"({"$ref":"#/components/schemas/Problem"}}}}}})";
}

}  // namespace

std::string AdminOpenApi() {
  std::string out = R"({"openapi":"3.1.0","info":{"title":"Weir admin plane","version":"1",)"
                    R"("description":"Every look at the ledger is itself a record of it."},)"
                    R"("security":[{"staff":[]}],"paths":{)";
  out += kFixedPaths;
  std::string_view last;
  for (const AdminRoute& route : AdminRoutes()) {
    std::string parameters = "[";
    const std::string path = PathAndParameters(route.path, parameters);
    // Routes of one path stand together in the table.
    if (route.path == last) {
      out += ",\n";
    } else {
      out += last.empty() ? "\n" : "},\n";
      AppendJsonString(out, path);
      out += ":{";
    }
    last = route.path;
    AppendOperation(route, parameters, out);
  }
  out += "}},";
  out += kComponents;
  return out;
}

}  // namespace weir::gateway
