docker run --rm --env-file @FILE@ YOUR-IMAGE
