//! The document as one page of HTML that needs nothing else: no script, no font, no other host.

use std::collections::BTreeMap;

use serde_json::Value;

/// The one style of the page; its hash is all that the page is allowed.
pub(super) const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:0 1rem 4rem;\
color:#1b1f24;background:#fff}\
code,pre{font:14px/1.45 ui-monospace,monospace;background:#f3f4f6;border-radius:4px}\
code{padding:.1em .3em;overflow-wrap:anywhere}pre{padding:.8rem;overflow-x:auto}\
h2{margin-top:3rem;border-bottom:1px solid #d8dce1}h3{margin-top:2.2rem}\
table{border-collapse:collapse;width:100%}\
td,th{border-top:1px solid #d8dce1;padding:.35rem .6rem .35rem 0;text-align:left;\
vertical-align:top}nav ul{columns:2;list-style:none;padding:0}a{color:#0b5bb5}\
.m{font-weight:700}.d{text-decoration:line-through}\
@media(prefers-color-scheme:dark){body{color:#e4e7eb;background:#15181c}\
code,pre{background:#23272e}a{color:#7db7ff}h2,td,th{border-color:#3a4048}}";

/// One operation with where it is.
struct Operation<'d> {
    method: String,
    path: &'d str,
    said: &'d Value,
}

/// The page of a document.
pub(super) fn page(document: &Value) -> String {
    let mut groups: BTreeMap<&str, Vec<Operation<'_>>> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, said) in item.as_object().into_iter().flatten() {
            let tag = said["tags"][0].as_str().unwrap_or("other");
            let method = method.to_ascii_uppercase();
            groups.entry(tag).or_default().push(Operation { method, path, said });
        }
    }
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>invshop API</title><style>{STYLE}</style></head><body>\
         <h1>invshop API, version {}</h1>",
        prose(document["info"]["version"].as_str())
    );
    let about = document["info"]["description"].as_str().unwrap_or_default();
    for paragraph in about.split("\n\n") {
        put(&mut page, &format!("<p>{}</p>", prose(Some(paragraph))));
    }
    put(&mut page, "<p>For programs: <a href=\"/openapi.json\">/openapi.json</a>.</p><nav>");
    for (tag, operations) in &groups {
        put(&mut page, &format!("<h4>{}</h4><ul>", prose(Some(tag))));
        for one in operations {
            let (id, text) = (one.id(), one.title());
            put(&mut page, &format!("<li><a href=\"#{id}\">{text}</a></li>"));
        }
        put(&mut page, "</ul>");
    }
    put(&mut page, "</nav>");
    for (tag, operations) in &groups {
        put(&mut page, &format!("<h2>{}</h2>", prose(Some(tag))));
        for one in operations {
            put(&mut page, &one.section(document));
        }
    }
    put(&mut page, "<h2>Shapes</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        put(&mut page, &format!("<h3 id=\"shape-{name}\">{name}</h3>{}", fields(schema)));
    }
    put(&mut page, "</body></html>\n");
    page
}

fn put(page: &mut String, html: &str) {
    page.push_str(html);
    page.push('\n');
}

impl Operation<'_> {
    fn id(&self) -> String {
        escaped(self.said["operationId"].as_str().unwrap_or_default())
    }

    fn title(&self) -> String {
        let crossed = if self.said["deprecated"] == true { " d" } else { "" };
        let (method, path) = (&self.method, escaped(self.path));
        format!("<code class=\"m{crossed}\">{method}</code> <code>{path}</code>")
    }

    fn section(&self, document: &Value) -> String {
        let mut html = format!("<section id=\"{}\"><h3>{}</h3>", self.id(), self.title());
        for name in ["summary", "description"] {
            let text = prose(self.said[name].as_str());
            if !text.is_empty() {
                put(&mut html, &format!("<p>{text}</p>"));
            }
        }
        if let Some(scopes) = self.said["security"][0]["key"].as_array() {
            let scopes = scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
            put(&mut html, &format!("<p>Takes the scope <code>{}</code>.</p>", escaped(&scopes)));
        }
        html += &self.parameters(document);
        html += &self.body();
        html += &self.responses(document);
        html + "</section>"
    }

    fn parameters(&self, document: &Value) -> String {
        let all = self.said["parameters"].as_array();
        let mut rows = String::new();
        for one in all.into_iter().flatten().map(|one| resolved(document, one)) {
            let (name, place) = (prose(one["name"].as_str()), prose(one["in"].as_str()));
            let needed = if one["required"] == true { ", required" } else { "" };
            let (shape, said) = (shape(&one["schema"]), prose(one["description"].as_str()));
            let row = format!("<td><code>{name}</code></td><td>{place}{needed}</td>");
            put(&mut rows, &format!("<tr>{row}<td>{shape}</td><td>{said}</td></tr>"));
        }
        table("Parameters", &rows)
    }

    fn body(&self) -> String {
        let mut html = String::new();
        let content = self.said["requestBody"]["content"].as_object();
        for (kind, body) in content.into_iter().flatten() {
            let (kind, shape) = (escaped(kind), shape(&body["schema"]));
            put(&mut html, &format!("<p>Body: <code>{kind}</code>, {shape}.</p>"));
            for (_, example) in body["examples"].as_object().into_iter().flatten() {
                let said = prose(example["summary"].as_str());
                let value = match &example["value"] {
                    Value::String(form) => escaped(form),
                    value => escaped(&format!("{value:#}")),
                };
                put(&mut html, &format!("<p>{said}</p><pre>{value}</pre>"));
            }
        }
        html
    }

    fn responses(&self, document: &Value) -> String {
        let mut rows = String::new();
        for (status, one) in self.said["responses"].as_object().into_iter().flatten() {
            let one = resolved(document, one);
            let said = prose(one["description"].as_str());
            let shapes = one["content"].as_object().into_iter().flatten();
            let shapes = shapes.map(|(kind, body)| match kind.as_str() {
                "application/problem+json" => "<a href=\"#shape-Problem\">Problem</a>".to_owned(),
                kind => format!("<code>{}</code> {}", escaped(kind), shape(&body["schema"])),
            });
            let shapes = shapes.collect::<Vec<_>>().join("<br>");
            let status = escaped(status);
            put(&mut rows, &format!("<tr><td>{status}</td><td>{said}</td><td>{shapes}</td></tr>"));
        }
        table("Answers", &rows)
    }
}

fn table(title: &str, rows: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    format!("<h4>{title}</h4><table>{rows}</table>")
}

/// What a reference within the document leads to.
fn resolved<'d>(document: &'d Value, one: &'d Value) -> &'d Value {
    let path = one["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| document.pointer(path)).unwrap_or(one)
}

/// A schema with its fields, where it has some.
fn fields(schema: &Value) -> String {
    let mut html = String::new();
    let said = prose(schema["description"].as_str());
    if !said.is_empty() {
        put(&mut html, &format!("<p>{said}</p>"));
    }
    let parts = schema["allOf"].as_array().map_or(std::slice::from_ref(schema), Vec::as_slice);
    let mut rows = String::new();
    for part in parts {
        let needed: Vec<&str> =
            part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, field) in part["properties"].as_object().into_iter().flatten() {
            let needed = if needed.contains(&name.as_str()) { "required" } else { "" };
            let (name, shape) = (escaped(name), shape(field));
            let said = prose(field["description"].as_str());
            let row = format!("<td><code>{name}</code></td><td>{needed}</td><td>{shape}</td>");
            put(&mut rows, &format!("<tr>{row}<td>{said}</td></tr>"));
        }
    }
    if parts.iter().any(|part| part.get("properties").is_none()) {
        put(&mut html, &format!("<p>{}</p>", shape(schema)));
    }
    html + &table("Fields", &rows)
}

/// A schema in some words.
fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let name = escaped(name);
        return format!("<a href=\"#shape-{name}\">{name}</a>");
    }
    for (all, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(parts) = schema[all].as_array() {
            return parts.iter().map(shape).collect::<Vec<_>>().join(between);
        }
    }
    if let Some(one) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&one.to_string()));
    }
    if let Some(names) = schema["enum"].as_array() {
        let names = names.iter().map(|name| format!("<code>{}</code>", escaped(&name.to_string())));
        return names.collect::<Vec<_>>().join(", ");
    }
    let mut words = match &schema["type"] {
        Value::Array(types) => {
            types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        one => one.as_str().unwrap_or("anything").to_owned(),
    };
    if let Some(items) = schema.get("items") {
        words = format!("{words} of {}", shape(items));
    }
    for name in ["format", "minimum", "maximum", "minLength", "maxLength", "maxItems", "pattern"] {
        match schema.get(name) {
            Some(Value::String(text)) if name == "format" => {
                words.extend([" (", &escaped(text), ")"]);
            }
            Some(bound) => {
                let bound = escaped(bound.as_str().unwrap_or(&bound.to_string()));
                words.extend([", ", name, " <code>", &bound, "</code>"]);
            }
            None => {}
        }
    }
    words
}

/// A text of the document: between backticks it is code.
fn prose(text: Option<&str>) -> String {
    let mut html = String::new();
    for (index, part) in text.unwrap_or_default().split('`').enumerate() {
        let part = escaped(part);
        let is_code = index % 2 == 1;
        html.extend(if is_code { ["<code>", &part, "</code>"] } else { ["", &part, ""] });
    }
    html
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            one => html.push(one),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_document_says_cannot_become_markup() {
        assert_eq!(prose(Some("a `<b>` & \"c\"")), "a <code>&lt;b&gt;</code> &amp; &quot;c&quot;");
        let schema = json!({ "type": ["string", "null"], "pattern": "^<$", "maxLength": 3 });
        let words = "string or null, maxLength <code>3</code>, pattern <code>^&lt;$</code>";
        assert_eq!(shape(&schema), words);
        assert_eq!(shape(&json!({ "$ref": "#/a/Sku" })), "<a href=\"#shape-Sku\">Sku</a>");
        assert_eq!(shape(&json!({ "const": "1" })), "<code>&quot;1&quot;</code>");
    }
}
