"""The steps of set-up for this computer. Add one here; `graph.py` says what a step is."""

from __future__ import annotations

from core.contract.paths import WEBUI_IMAGE, image_registry
from local.setup import base_image, browser, daemon, packages, prefetch, pulumi_cli, tools, webui_image
from local.setup.graph import Step
from local.setup.site import Say, Site


def steps(site: Site, forced_cli: str | None) -> list[Step]:
    """All steps, in an order in which each comes after its needs."""
    return [
        _packages(site),
        _docker(site),
        _image(site),
        _webui(site),
        _browser(site),
        _pulumi(site, forced_cli),
        _fetch(site, "engine", [prefetch.requirements("engine-cpu")]),
        _fetch(
            site,
            "services",
            [
                *(prefetch.requirements(name) for name in ("agent", "relay", "certbot")),
                *prefetch.models(prefetch.stack_files()),
            ],
        ),
    ]


def _packages(site: Site) -> Step:
    def lacking() -> list[str]:
        image = base_image.tar(site).exists()
        return packages.missing(site, docker_answers=bool(daemon.answers()), image_made=image)

    return Step(
        "packages",
        made=lambda: None if lacking() else "nothing to install with apt",
        will=lambda: f"install with apt: {', '.join(lacking())}",
        make=lambda say: packages.install(site, lacking(), say),
    )


def _docker(site: Site) -> Step:
    return Step(
        "docker",
        made=daemon.answers,
        will=lambda: "start dockerd",
        make=lambda say: daemon.start(site, say),
        needs=("packages",),
    )


def _image(site: Site) -> Step:
    tag = tools.image_tag()

    def will() -> str:
        if base_image.tar(site).exists():
            return f"import the machines' image {tag} into Docker"
        return f"build the machines' image {tag} (debootstrap, as root) and import it into Docker"

    return Step(
        "image",
        made=lambda: tag if daemon.answers() and tools.docker_has(tag) else None,
        will=will,
        make=lambda say: base_image.make(site, say),
        needs=("packages", "docker"),
    )


def _webui(site: Site) -> Step:
    return Step(
        "webui",
        made=lambda: webui_image.made(site),
        will=lambda: f"build the chat page's image from PyPI ({image_registry(WEBUI_IMAGE)} cannot be reached)",
        make=lambda say: webui_image.make(site, say),
        needs=("docker", "image"),
    )


def _browser(site: Site) -> Step:
    return Step(
        "browser",
        made=lambda: browser.made(site),
        will=lambda: f"install with apt, for the chat page's part of `make demo`: {', '.join(browser.PACKAGES)}",
        make=lambda say: browser.install(site, say),
        needs=("packages",),  # one apt at a time
    )


def _pulumi(site: Site, forced: str | None) -> Step:
    def made() -> str | None:
        choice = tools.pulumi_choice()
        return in_words(choice) if choice and pulumi_cli.usable(choice, forced) else None

    def make(say: Say) -> str:
        choice = pulumi_cli.bring(site, forced, say)
        tools.write_pulumi_choice(choice)
        return in_words(choice)

    order = forced or "the one on PATH, else Pulumi's installer, else a build from Go modules"
    return Step("pulumi", made=made, will=lambda: f"bring the Pulumi CLI: {order}", make=make)


def in_words(choice: tools.PulumiChoice) -> str:
    """How a choice of the CLI is printed."""
    how = {"path": "found on PATH", "installer": "by Pulumi's installer", "modules": "built from its Go modules"}
    return f"{choice.version}, {how[choice.way]}"


def _fetch(site: Site, name: str, batches: list[prefetch.Batch]) -> Step:
    return Step(
        name,
        made=lambda: prefetch.fetched(site, batches),
        will=lambda: f"fetch Python packages for the machines: {', '.join(batch.name for batch in batches)}",
        make=lambda say: prefetch.fetch(site, batches, say),
    )
