"""Outside providers, whose keys the platform keeps sealed."""

from .tenancy import Admin, unique
from .upstream import Upstream

PROVIDER_KEY = "sk-live-QmVyZ2VuLU9w/+Zm5ZcXyzzyPlugh42"
OTHER_PROVIDER_KEY = "sk-live-AnotherOneAltogether/+7788990011"


def add_provider(admin: Admin, upstream: Upstream, key: str = PROVIDER_KEY) -> tuple[dict, str]:
    """A provider at the upstream, with a model there."""
    provider = admin.ok(
        "POST", "/v1/admin/providers", {"name": unique("own"), "endpoint": upstream.url, "key": key}
    )
    model = unique("sealed")
    admin.ok("POST", "/v1/admin/registry", {"model": model, "provider": provider["name"], "protocol": "openai"})
    return provider, model
