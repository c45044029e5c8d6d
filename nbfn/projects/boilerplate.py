"""What ``nbfn init`` writes for each runtime: a function that greets. No network is needed.

Each greets whoever the body names: ``{"name": "Ana"}`` → ``{"message": "Hello Ana"}``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbfn.config import FN_PYTHONS
from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Boilerplate:
    """A runtime's files, and what its ``func.yaml`` has beside name and version."""

    build_image: str
    run_image: str
    entrypoint: str = ""
    cmd: str = ""
    memory: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)


_PYTHON = """\
import io
import json
import logging

from fdk import response


def handler(ctx, data: io.BytesIO = None):
    name = "World"
    try:
        name = json.loads(data.getvalue()).get("name", name)
    except (AttributeError, ValueError) as error:
        logging.getLogger().info("no JSON object in the body: %s", error)
    return response.Response(
        ctx,
        response_data=json.dumps({"message": f"Hello {name}"}),
        headers={"Content-Type": "application/json"},
    )
"""

_GO = """\
package main

import (
	"context"
	"encoding/json"
	"io"

	fdk "github.com/fnproject/fdk-go"
)

type person struct {
	Name string `json:"name"`
}

type greeting struct {
	Message string `json:"message"`
}

func greet(ctx context.Context, in io.Reader, out io.Writer) {
	who := person{Name: "World"}
	_ = json.NewDecoder(in).Decode(&who) // an empty body greets the world
	_ = json.NewEncoder(out).Encode(greeting{Message: "Hello " + who.Name})
}

func main() {
	fdk.Handle(fdk.HandlerFunc(greet))
}
"""

_GO_MOD = """\
module func

go 1.24

require github.com/fnproject/fdk-go v0.0.63
"""

_NODE = """\
const fdk = require('@fnproject/fdk');

fdk.handle(function (input) {
  const name = (input && input.name) || 'World';
  return { message: 'Hello ' + name };
});
"""

_PACKAGE_JSON = """\
{
  "name": "hellofn",
  "version": "1.0.0",
  "description": "A function that greets",
  "main": "func.js",
  "license": "Apache-2.0",
  "dependencies": {
    "@fnproject/fdk": ">=0.0.76"
  }
}
"""

_JAVA = """\
package com.example.fn;

public class HelloFunction {

    public static class Person {
        public String name = "World";
    }

    public static class Greeting {
        public final String message;

        Greeting(String message) {
            this.message = message;
        }
    }

    public Greeting handleRequest(Person person) {
        return new Greeting("Hello " + person.name);
    }
}
"""

_JAVA_TEST = """\
package com.example.fn;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class HelloFunctionTest {

    @Test
    public void greetsTheWorld() {
        assertEquals("Hello World", new HelloFunction().handleRequest(new HelloFunction.Person()).message);
    }
}
"""

_POM = """\
<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0"
         xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
         xsi:schemaLocation="http://maven.apache.org/POM/4.0.0 http://maven.apache.org/xsd/maven-4.0.0.xsd">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example.fn</groupId>
  <artifactId>hello</artifactId>
  <version>1.0.0</version>

  <properties>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
    <fdk.version>1.0.212</fdk.version>
  </properties>

  <dependencies>
    <dependency>
      <groupId>com.fnproject.fn</groupId>
      <artifactId>api</artifactId>
      <version>${fdk.version}</version>
    </dependency>
    <dependency>
      <groupId>junit</groupId>
      <artifactId>junit</artifactId>
      <version>4.13.2</version>
      <scope>test</scope>
    </dependency>
  </dependencies>
</project>
"""

# The minors that Fn has images of.


def _python(minor: str) -> Boilerplate:
    return Boilerplate(
        f"fnproject/python:{minor}-dev",
        f"fnproject/python:{minor}",
        entrypoint="/python/bin/fdk /function/func.py handler",
        memory=256,
        files={"func.py": _PYTHON, "requirements.txt": "fdk>=0.1.128\n"},
    )


def _node(major: str) -> Boilerplate:
    return Boilerplate(
        f"fnproject/node:{major}-dev",
        f"fnproject/node:{major}",
        entrypoint="node func.js",
        files={"func.js": _NODE, "package.json": _PACKAGE_JSON},
    )


def _go(minor: str) -> Boilerplate:
    return Boilerplate(
        f"fnproject/go:{minor}-dev",
        f"fnproject/go:{minor}",
        entrypoint="./func",
        files={"func.go": _GO, "go.mod": _GO_MOD.replace("go 1.24", f"go {minor}")},
    )


def _java(major: str) -> Boilerplate:
    return Boilerplate(
        f"fnproject/fn-java-fdk-build:jdk{major}-1.0.212",
        f"fnproject/fn-java-fdk:jre{major}-1.0.212",
        cmd="com.example.fn.HelloFunction::handleRequest",
        files={
            "pom.xml": _POM.replace(">17<", f">{major}<"),
            "src/main/java/com/example/fn/HelloFunction.java": _JAVA,
            "src/test/java/com/example/fn/HelloFunctionTest.java": _JAVA_TEST,
        },
    )


def _python_of_here() -> str:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return here if here in FN_PYTHONS else FN_PYTHONS[-1]


# Of each language: who writes it, and the versions that Fn has images of, the usual one first.
_LANGUAGES = {
    "go": (_go, ("1.24", "1.23")),
    "java": (_java, ("21", "17", "11")),
    "node": (_node, ("24", "22")),
    "python": (_python, (_python_of_here(), *FN_PYTHONS)),
}

RUNTIMES = tuple(_LANGUAGES)
"""Without versions, and without ``docker``, for which there is nothing to write but ``func.yaml``."""


def find(runtime: str) -> Boilerplate | None:
    """The boilerplate of a runtime, with or without its version (``python``, ``python3.11``)."""
    for language, (make, versions) in _LANGUAGES.items():
        if runtime == language:
            return make(versions[0])
        if runtime.startswith(language) and runtime.removeprefix(language) in versions:
            return make(runtime.removeprefix(language))
    return None


def absent(runtime: str, hint: str) -> BadInput:
    """What to say of a runtime that :func:`find` does not know; ``hint`` if it is not only its version."""
    for language, (_, versions) in _LANGUAGES.items():
        version = runtime.removeprefix(language)
        if runtime.startswith(language) and version[:1].isdigit():
            return BadInput(
                f"runtime is {runtime!r}, and there is no version {version} of {language} here",
                hint=f"use one of: {', '.join(f'{language}{each}' for each in dict.fromkeys(versions))}; "
                f"{language} alone is the first of them",
            )
    return BadInput(f"runtime is {runtime!r}", hint=hint)
