"""Tests of infra/checks/images.py, which infra/pin-images uses."""

import email.message
import hashlib
import io
import shutil
import tempfile
import unittest
import urllib.error
from pathlib import Path

import images

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "sha256:" + "a" * 64


class Answer(io.BytesIO):
    """An answer of a registry."""

    def __init__(self, content, type_):
        super().__init__(content)
        self.headers = email.message.Message()
        self.headers["Content-Type"] = type_


class Registry:
    """Stands in for a registry that demands a token."""

    def __init__(self, index=b"{}", type_=images.INDEXES[0]):
        self.index, self.type, self.urls = index, type_, []

    def __call__(self, request, timeout):
        self.urls.append(request.full_url)
        if "/token" in request.full_url:
            return Answer(b'{"token": "1"}', "application/json")
        if request.headers.get("Authorization") != "Bearer 1":
            headers = email.message.Message()
            headers["WWW-Authenticate"] = 'Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull"'
            raise urllib.error.HTTPError(request.full_url, 401, "Unauthorized", headers, None)
        return Answer(self.index, self.type)


class Images(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for path in ("Dockerfile", "docker-compose.yml", ".devcontainer/devcontainer.json", "infra/temporal.yaml"):
            (self.root / path).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / path, self.root / path)

    def test_every_place_is_read(self):
        found = {image.path.relative_to(self.root).as_posix() for image in images.named(self.root)}
        self.assertEqual(found, {"Dockerfile", "docker-compose.yml", ".devcontainer/devcontainer.json", "infra/temporal.yaml"})
        names = {image.name for image in images.named(self.root)}
        # Neither a stage of the Dockerfile, nor an image that is built.
        self.assertFalse(names & {"base", "manifests", "orderflow-worker", "orderflow-api"})

    def test_pinned_images_keep_their_tags(self):
        before = {(image.path, image.reference) for image in images.named(self.root)}
        for digest in (DIGEST, "sha256:" + "b" * 64):
            images.pin(self.root, lambda name, tag: digest)
            self.assertEqual({(image.path, image.reference) for image in images.named(self.root)}, before)
            self.assertEqual({image.digest for image in images.named(self.root)}, {digest})
        self.assertRegex((self.root / "infra/temporal.yaml").read_text(), r"Default: docker.io/temporalio/server@sha256:b{64} # [\d.]+\n")
        self.assertRegex((self.root / "Dockerfile").read_text(), r"\nFROM rust:[\w.-]+@sha256:b{64} AS rust\n")
        self.assertRegex((self.root / "docker-compose.yml").read_text(), r"image: &temporal-tools temporalio/admin-tools:[\d.]+@sha256:b{64}\n")

    def test_nothing_is_written_if_a_digest_is_missing(self):
        def resolve(name, tag):
            if name == "postgres":
                raise OSError("unreachable")
            return DIGEST

        before = list(images.named(self.root))
        with self.assertRaises(OSError):
            images.pin(self.root, resolve)
        self.assertEqual(list(images.named(self.root)), before)

    def test_the_digest_is_that_of_the_index(self):
        registry = Registry(index=b'{"manifests": []}')
        digest = images.registry_digest("postgres", "15", registry)
        self.assertEqual(digest, "sha256:" + hashlib.sha256(b'{"manifests": []}').hexdigest())
        self.assertEqual(registry.urls[0], "https://registry-1.docker.io/v2/library/postgres/manifests/15")
        self.assertEqual(registry.urls[1], "https://auth.example/token?service=registry&scope=repository%3Aa%2Fb%3Apull")
        for name, url in (
            ("docker.io/temporalio/ui", "https://registry-1.docker.io/v2/temporalio/ui/manifests/1"),
            ("temporalio/ui", "https://registry-1.docker.io/v2/temporalio/ui/manifests/1"),
            ("mcr.microsoft.com/devcontainers/base", "https://mcr.microsoft.com/v2/devcontainers/base/manifests/1"),
        ):
            registry = Registry()
            images.registry_digest(name, "1", registry)
            self.assertEqual(registry.urls[0], url)

    def test_an_image_for_one_processor_is_refused(self):
        with self.assertRaisesRegex(ValueError, "one processor"):
            images.registry_digest("postgres", "15", Registry(type_="application/vnd.oci.image.manifest.v1+json"))


if __name__ == "__main__":
    unittest.main()
