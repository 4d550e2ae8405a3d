/**
 * Changes fields in the API's answers about orders before the page gets them. Tests use this for
 * states that an order cannot reach on this stack.
 */
export const overrideOrder = (page, change) =>
  page.route('**/api/orders/*', async (route) => {
    const response = await route.fetch();
    // With status 304, the answer has no body: the page uses the order in its cache.
    if (response.status() !== 200) return route.fulfill({ response });
    return route.fulfill({ response, json: { ...(await response.json()), ...change } });
  });
