"""A call in the languages of the partners, from the contract's own examples.

Every language has a preparation, which obtains a token and says how an answer is read, and one snippet
per operation, which follows it. The tests run them all, each against a server.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from handlers.contract.model import (
    JSON_TYPE,
    Contract,
    Json,
    OperationContract,
)

EXAMPLE_ADDRESS = "https://api.cynod.example"
"""The contract's production. The page of a server shows its own in its place."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to an operation: method, path, query, and a body, a JSON object or none."""

    method: str
    path: str
    query: dict[str, str]
    body: Json | None
    secured: bool


@dataclass(frozen=True, slots=True)
class TokenForm:
    """A form of OAuth about a token: the one that the preparation has obtained."""

    path: str
    by_pair: bool
    """Whether the pair opens the operation, as for tokens, in the place of the token."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the page: `lexer` colours it. `prepare` takes the path of the tokens, and None where
    they come from elsewhere: a person's from the provider of identities, by the application."""

    name: str
    title: str
    lexer: str
    prepare: Callable[[str | None], str]
    call: Callable[[Request], str]
    send: Callable[[TokenForm], str]


def example_request(contract: Contract, operation: OperationContract) -> Request:
    """The call that the examples describe: the required parameters, or else those that have an example."""
    required = [one for one in operation.parameters if one.get("required")]
    shown = required or [one for one in operation.parameters if "example" in one]
    values = {one["name"]: _written(example_value(contract, one)) for one in shown}
    path = operation.path
    for one in shown:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", values.pop(one["name"]))
    body = example_body(contract, operation)
    return Request(operation.method.upper(), path, values, body, operation.secured)


def _written(value: Any) -> str:
    """A value as it stands in an address."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def example_value(contract: Contract, parameter: Json) -> Any:
    """The example of a parameter, its own or its schema's."""
    return parameter.get("example", contract.resolve(parameter["schema"]).get("example", ""))


def example_body(contract: Contract, operation: OperationContract) -> Json | None:
    """The first example of the body, if there is a body."""
    if operation.body is None:
        return None
    node = next(iter(operation.body.content["examples"].values()))
    value: Json = contract.resolve(node)["value"]
    return value


def snippets(contract: Contract, operation: OperationContract) -> dict[str, str]:
    """The operation's snippet in each language, by the language's name; none for another form."""
    if operation.issues_tokens:
        return {language.name: language.prepare(operation.path) for language in SNIPPETS}
    if operation.body is not None and operation.body.media_type != JSON_TYPE:
        if contract.resolve(operation.body.schema).get("required") != ["token"]:
            return {}  # what else it wants is not known here
        form = TokenForm(operation.path, operation.by_pair)
        return {language.name: language.send(form) for language in SNIPPETS}
    request = example_request(contract, operation)
    return {language.name: language.call(request) for language in SNIPPETS}


def first_call(contract: Contract) -> OperationContract | None:
    """The operation to begin with: the first one that only reads and asks for parameters, or else any."""
    secured = [one for one in contract.operations.values() if one.secured and not one.issues_tokens]
    reads = [one for one in secured if one.method == "get" and one.parameters]
    return next(iter([*reads, *secured]), None)


def preparations(contract: Contract) -> dict[str, str]:
    """What precedes every snippet, in each language; nothing where nothing issues tokens."""
    path = None if contract.surface.persons else contract.token_path
    if path is None and not contract.surface.persons:
        return {}
    return {one.name: one.prepare(path) for one in SNIPPETS}


def as_json(value: Any) -> str:
    """JSON as people read it."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def _indent(text: str, by: str) -> str:
    first, *rest = text.splitlines()
    return "\n".join([first, *(by + line for line in rest)])


# ── curl ─────────────────────────────────────────────────────────────────────────────────────────


_OF_A_PERSON = "JETON : le jeton d'accès de la personne, lu de l'environnement."


def _prepare_curl(token_path: str | None) -> str:
    if token_path is None:
        return f"API={EXAMPLE_ADDRESS}\n# {_OF_A_PERSON}"
    return rf"""API={EXAMPLE_ADDRESS}
# CONSUMER_KEY et CONSUMER_SECRET : la paire remise par CYNOD, lue de l'environnement.
JETON=$(curl -sS "$API{token_path}" \
  -u "$CONSUMER_KEY:$CONSUMER_SECRET" -d grant_type=client_credentials \
  | sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p')"""


def _call_curl(request: Request) -> str:
    words = [f'curl -sS "$API{request.path}"']
    if request.query:
        words[0] += " -G"
    if request.secured:
        words.append('-H "Authorization: Bearer $JETON"')
    words += [
        f"--data-urlencode {shlex.quote(f'{name}={value}')}"
        for name, value in request.query.items()
    ]
    if request.body is not None:
        words.append("-H 'Content-Type: application/json'")
        words.append(f"-d {shlex.quote(as_json(request.body))}")
    return " \\\n  ".join(words)


def _send_curl(form: TokenForm) -> str:
    caller = (
        '-u "$CONSUMER_KEY:$CONSUMER_SECRET"'
        if form.by_pair
        else '-H "Authorization: Bearer $JETON"'
    )
    return f'curl -sS "$API{form.path}" \\\n  {caller} \\\n  --data-urlencode "token=$JETON"'


# ── Python ───────────────────────────────────────────────────────────────────────────────────────


def _prepare_python(token_path: str | None) -> str:
    return f'''import os
import httpx

api = httpx.Client(base_url="{EXAMPLE_ADDRESS}", timeout=30)

def lire(reponse):
    """Le contenu d'une réussite ; un refus est une exception, avec son code."""
    corps = reponse.json()
    if reponse.status_code != 200:
        raise RuntimeError(f"{{corps['code']}} : {{corps['message']}}")
    return corps

{_token_in_python(token_path)}
api.headers["Authorization"] = f"Bearer {{jeton}}"'''


def _token_in_python(token_path: str | None) -> str:
    if token_path is None:
        return f'# {_OF_A_PERSON}\njeton = os.environ["JETON"]'
    return f'''jeton = lire(api.post(
    "{token_path}",
    auth=(os.environ["CONSUMER_KEY"], os.environ["CONSUMER_SECRET"]),
    data={{"grant_type": "client_credentials"}},
))["access_token"]'''


def _call_python(request: Request) -> str:
    arguments = [f'"{request.path}"']
    if request.query:
        arguments.append(f"params={_indent(_python_literal(request.query), '    ')}")
    if request.body is not None:
        arguments.append(f"json={_indent(_python_literal(request.body), '    ')}")
    method = request.method.lower()
    if len(arguments) == 1:
        return f"corps = lire(api.{method}({arguments[0]}))\nprint(corps)"
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return f"corps = lire(api.{method}(\n{lines}))\nprint(corps)"


def _send_python(form: TokenForm) -> str:
    pair = '    auth=(os.environ["CONSUMER_KEY"], os.environ["CONSUMER_SECRET"]),\n'
    return (
        f'corps = lire(api.post(\n    "{form.path}",\n{pair if form.by_pair else ""}'
        '    data={"token": jeton},\n))\nprint(corps)'
    )


def _python_literal(value: Any, depth: int = 1) -> str:
    pad, end = "    " * depth, "    " * (depth - 1)
    if isinstance(value, dict):
        lines = [
            f'{pad}"{key}": {_python_literal(item, depth + 1)},\n' for key, item in value.items()
        ]
        return "{\n" + "".join(lines) + end + "}"
    if isinstance(value, list):
        lines = [f"{pad}{_python_literal(item, depth + 1)},\n" for item in value]
        return "[\n" + "".join(lines) + end + "]"
    if value is None or isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


# ── TypeScript ───────────────────────────────────────────────────────────────────────────────────


def _prepare_typescript(token_path: str | None) -> str:
    return f"""const API = "{EXAMPLE_ADDRESS}";

/** Le contenu d'une réussite ; un refus est une erreur, avec son code. */
async function appeler(methode: string, chemin: string, options: RequestInit = {{}}): Promise<any> {{
  const reponse = await fetch(API + chemin, {{ method: methode, ...options }});
  const corps = await reponse.json();
  if (!reponse.ok) throw new Error(`${{corps.code}} : ${{corps.message}}`);
  return corps;
}}

{_token_in_typescript(token_path)}
const headers = {{ Authorization: `Bearer ${{jeton}}`, "Content-Type": "application/json" }};"""


def _token_in_typescript(token_path: str | None) -> str:
    if token_path is None:
        return f"// {_OF_A_PERSON}\nconst jeton = process.env.JETON;"
    return f"""const paire = `${{process.env.CONSUMER_KEY}}:${{process.env.CONSUMER_SECRET}}`;
const {{ access_token: jeton }} = await appeler("POST", "{token_path}", {{
  headers: {{ Authorization: "Basic " + btoa(paire) }},
  body: new URLSearchParams({{ grant_type: "client_credentials" }}),
}});"""


def _call_typescript(request: Request) -> str:
    lines, target, options = [], f'"{request.path}"', "{ headers }"
    if request.query:
        lines.append(
            f"const parametres = new URLSearchParams({_typescript_literal(request.query)});"
        )
        target = f"`{request.path}?${{parametres}}`"
    if request.body is not None:
        lines.append(f"const demande = {_typescript_literal(request.body)};")
        options = "{ headers, body: JSON.stringify(demande) }"
    lines.append(f'const corps = await appeler("{request.method}", {target}, {options});')
    lines.append("console.log(corps);")
    return "\n".join(lines)


def _send_typescript(form: TokenForm) -> str:
    caller = '"Basic " + btoa(paire)' if form.by_pair else "headers.Authorization"
    return f"""const corps = await appeler("POST", "{form.path}", {{
  headers: {{ Authorization: {caller} }},
  body: new URLSearchParams({{ token: jeton }}),
}});
console.log(corps);"""


def _typescript_literal(value: Any, depth: int = 1) -> str:
    pad, end = "  " * depth, "  " * (depth - 1)
    if isinstance(value, dict):
        lines = [
            f"{pad}{key}: {_typescript_literal(item, depth + 1)},\n" for key, item in value.items()
        ]
        return "{\n" + "".join(lines) + end + "}"
    if isinstance(value, list):
        lines = [f"{pad}{_typescript_literal(item, depth + 1)},\n" for item in value]
        return "[\n" + "".join(lines) + end + "]"
    return json.dumps(value, ensure_ascii=False)


# ── Java ─────────────────────────────────────────────────────────────────────────────────────────


def _start_java(token_path: str | None) -> str:
    return f"""
// Dans le programme :
var cynod = new Cynod("{EXAMPLE_ADDRESS}",
    {_credentials_in_java(token_path)});"""


def _prepare_java(token_path: str | None) -> str:
    return f"""import java.net.URI;
import java.net.http.*;
import java.util.*;
import java.util.regex.*;

class Cynod {{
    private final HttpClient http = HttpClient.newHttpClient();
    private final String api;
    final String {"paire, jeton" if token_path else "jeton"};

{_token_in_java(token_path)}

    String formulaire(String chemin, String autorisation, String champs) throws Exception {{
        return envoyer(requete(chemin, autorisation)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(HttpRequest.BodyPublishers.ofString(champs)));
    }}

    String get(String chemin) throws Exception {{
        return envoyer(requete(chemin, "Bearer " + jeton));
    }}

    String post(String chemin, String json) throws Exception {{
        return envoyer(requete(chemin, "Bearer " + jeton)
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(json)));
    }}

    private HttpRequest.Builder requete(String chemin, String autorisation) {{
        return HttpRequest.newBuilder(URI.create(api + chemin)).header("Authorization", autorisation);
    }}

    /** Le contenu d'une réussite ; un refus est une exception, avec son code. */
    private String envoyer(HttpRequest.Builder requete) throws Exception {{
        var reponse = http.send(requete.build(), HttpResponse.BodyHandlers.ofString());
        if (reponse.statusCode() != 200) throw new RuntimeException(reponse.body());
        return reponse.body();
    }}
}}
{_start_java(token_path)}"""


def _token_in_java(token_path: str | None) -> str:
    if token_path is None:
        return """    Cynod(String api, String jeton) {
        this.api = api;
        this.jeton = jeton;
    }"""
    return f"""    /** Demande un jeton. Une bibliothèque JSON remplacera l'expression régulière. */
    Cynod(String api, String consumerKey, String consumerSecret) throws Exception {{
        this.api = api;
        var octets = (consumerKey + ":" + consumerSecret).getBytes();
        paire = "Basic " + Base64.getEncoder().encodeToString(octets);
        var recu = formulaire("{token_path}", paire, "grant_type=client_credentials");
        var trouve = Pattern.compile("\\"access_token\\": *\\"([^\\"]+)\\"").matcher(recu);
        if (!trouve.find()) throw new RuntimeException(recu);
        jeton = trouve.group(1);
    }}"""


def _credentials_in_java(token_path: str | None) -> str:
    if token_path is None:
        return 'System.getenv("JETON")'
    return 'System.getenv("CONSUMER_KEY"), System.getenv("CONSUMER_SECRET")'


def _call_java(request: Request) -> str:
    pairs = [urlencode({name: value}) for name, value in request.query.items()]
    parts = [
        request.path,
        *(f"{mark}{pair}" for mark, pair in zip("?" + "&" * len(pairs), pairs, strict=False)),
    ]
    arguments = "\n    + ".join(f'"{part}"' for part in parts)
    if request.body is not None:
        text = _indent('"""\n' + as_json(request.body) + '"""', "    ")
        arguments += f", {text}"
    method = request.method.lower()
    return f"var reponse = cynod.{method}({arguments});\nSystem.out.println(reponse);"


def _send_java(form: TokenForm) -> str:
    caller = "cynod.paire" if form.by_pair else '"Bearer " + cynod.jeton'
    return (
        f'var reponse = cynod.formulaire("{form.path}",\n    {caller}, "token=" + cynod.jeton);\n'
        "System.out.println(reponse);"
    )


# ── PHP ──────────────────────────────────────────────────────────────────────────────────────────


def _prepare_php(token_path: str | None) -> str:
    return f"""const API = '{EXAMPLE_ADDRESS}';

/** Le contenu d'une réussite ; un refus est une exception, avec son code. */
function appeler(string $methode, string $chemin, array $enTetes, ?string $corps = null): array
{{
    $appel = curl_init(API . $chemin);
    curl_setopt_array($appel, [
        CURLOPT_CUSTOMREQUEST => $methode,
        CURLOPT_HTTPHEADER => $enTetes,
        CURLOPT_RETURNTRANSFER => true,
    ]);
    if ($corps !== null) curl_setopt($appel, CURLOPT_POSTFIELDS, $corps);
    $recu = curl_exec($appel);
    if ($recu === false) throw new RuntimeException(curl_error($appel));
    $lu = json_decode($recu, true, 64, JSON_THROW_ON_ERROR);
    if (curl_getinfo($appel, CURLINFO_HTTP_CODE) !== 200)
        throw new RuntimeException("{{$lu['code']}} : {{$lu['message']}}");
    return $lu;
}}

{_token_in_php(token_path)}
$enTetes = ["Authorization: Bearer $jeton", 'Content-Type: application/json'];"""


def _token_in_php(token_path: str | None) -> str:
    if token_path is None:
        return f"// {_OF_A_PERSON}\n$jeton = getenv('JETON');"
    return f"""$paire = base64_encode(getenv('CONSUMER_KEY') . ':' . getenv('CONSUMER_SECRET'));
$jeton = appeler('POST', '{token_path}', ["Authorization: Basic $paire"],
    http_build_query(['grant_type' => 'client_credentials']))['access_token'];"""


def _call_php(request: Request) -> str:
    lines, target, more = [], f"'{request.path}'", ""
    if request.query:
        lines.append(f"$parametres = http_build_query({_php_literal(request.query)});")
        target = f'"{request.path}?$parametres"'
    if request.body is not None:
        lines.append(f"$demande = {_php_literal(request.body)};")
        more = ", json_encode($demande)"
    lines.append(f"$corps = appeler('{request.method}', {target}, $enTetes{more});")
    lines.append("print_r($corps);")
    return "\n".join(lines)


def _send_php(form: TokenForm) -> str:
    caller = "Basic $paire" if form.by_pair else "Bearer $jeton"
    return f"""$corps = appeler('POST', '{form.path}', ["Authorization: {caller}"],
    http_build_query(['token' => $jeton]));
print_r($corps);"""


def _php_literal(value: Any, depth: int = 1) -> str:
    pad, end = "    " * depth, "    " * (depth - 1)
    if isinstance(value, dict):
        lines = [
            f"{pad}'{key}' => {_php_literal(item, depth + 1)},\n" for key, item in value.items()
        ]
        return "[\n" + "".join(lines) + end + "]"
    if isinstance(value, list):
        lines = [f"{pad}{_php_literal(item, depth + 1)},\n" for item in value]
        return "[\n" + "".join(lines) + end + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return json.dumps(value)


SNIPPETS = (
    Language("curl", "curl", "bash", _prepare_curl, _call_curl, _send_curl),
    Language("python", "Python", "python", _prepare_python, _call_python, _send_python),
    Language(
        "typescript",
        "TypeScript",
        "typescript",
        _prepare_typescript,
        _call_typescript,
        _send_typescript,
    ),
    Language("java", "Java", "java", _prepare_java, _call_java, _send_java),
    Language("php", "PHP", "php", _prepare_php, _call_php, _send_php),
)

_PIP_GENERATOR = "pip install openapi-generator-cli"
_GENERATE = "openapi-generator-cli generate -i openapi.yaml"
_JAVA = (
    "-g java --library native -o client "
    "--additional-properties openApiNullable=false,useJakartaEe=true"
)

GENERATORS = (
    (
        "python",
        "Python",
        "pip install openapi-python-client\nopenapi-python-client generate --path openapi.yaml",
    ),
    (
        "typescript",
        "TypeScript",
        "npm install openapi-fetch\nnpx openapi-typescript openapi.yaml -o schema.d.ts",
    ),
    (
        "java",
        "Java",
        f"{_PIP_GENERATOR}\n{_GENERATE} {_JAVA}",
    ),
    (
        "php",
        "PHP",
        f"{_PIP_GENERATOR}\n{_GENERATE} -g php -o client",
    ),
)
"""What makes a client from the file alone: name, title, commands. docs/clients.md, which says more, has
the same ones; a test compares them."""
