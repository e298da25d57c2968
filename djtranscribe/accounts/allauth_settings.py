"""The settings of django-allauth, which does two-factor login and single sign-on.

https://docs.allauth.org/en/latest/
"""

from typing import Any

# The name of the OpenID Connect provider in allauth's settings and tables.
PROVIDER = "sso"
MIDDLEWARE = [
    "allauth.account.middleware.AccountMiddleware",
    "djtranscribe.accounts.two_factor.RequireSecondFactor",
]


def apps(two_factor: bool, single_sign_on: bool) -> list[str]:
    found = ["allauth", "allauth.account"]
    if two_factor:
        found.append("allauth.mfa")
    if single_sign_on:
        found += [
            "allauth.socialaccount",
            "allauth.socialaccount.providers.openid_connect",
        ]
    return found


def values(
    debug: bool, is_https: bool, server_url: str, client: dict[str, str]
) -> dict[str, Any]:
    """Return the settings that django-allauth needs, as {name: value}.

    client: our registration at the provider. Keys: name, client_id and secret.
    """
    return {
        "ACCOUNT_ADAPTER": "djtranscribe.accounts.allauth_adapter.AccountAdapter",
        "ACCOUNT_DEFAULT_HTTP_PROTOCOL": "https" if is_https else "http",
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_LOGIN_METHODS": {"username"},
        # Sessions last SESSION_COOKIE_AGE seconds, as they do without allauth.
        "ACCOUNT_SESSION_REMEMBER": True,
        "MFA_PASSKEY_LOGIN_ENABLED": True,
        "MFA_SUPPORTED_TYPES": ["totp", "webauthn", "recovery_codes"],
        "MFA_TOTP_ISSUER": "djtranscribe",
        # Also accept the code before and the code after, because it takes time to type
        # a code, and a phone's clock may be a little wrong (RFC 6238, section 5.2).
        "MFA_TOTP_TOLERANCE": 1,
        # For development: browsers allow passkeys over http, but only on localhost.
        "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": debug and not is_https,
        "SOCIALACCOUNT_ADAPTER": "djtranscribe.accounts.single_sign_on.SsoAdapter",
        # A login at the provider starts with a link, not with a form. Our
        # Content-Security-Policy does not let a form lead to another site.
        "SOCIALACCOUNT_LOGIN_ON_GET": True,
        "SOCIALACCOUNT_PROVIDERS": {
            "openid_connect": {
                "APPS": [
                    {
                        "provider_id": PROVIDER,
                        "settings": {"server_url": server_url},
                        **client,
                    }
                ],
                "OAUTH_PKCE_ENABLED": True,
            }
        },
        # allauth counts logins and codes in this cache, to limit them. The cache is in
        # the database, so that all processes share the counts.
        "CACHES": {
            "default": {
                "BACKEND": "django.core.cache.backends.db.DatabaseCache",
                "LOCATION": "djtranscribe_cache",
                "OPTIONS": {"MAX_ENTRIES": 100_000},
            }
        },
    }
