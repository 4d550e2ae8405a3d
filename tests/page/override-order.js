/**
 * Changes the API's answers about orders on their way to the page. Tests use this for states that
 * an order cannot reach on this stack.
 */
export const overrideOrder = (page, change) =>
  page.route('**/api/orders/*', async (route) => {
    const response = await route.fetch();
    // Status 304: the page has the order in its cache.
    if (response.status() !== 200) return route.fulfill({ response });
    return route.fulfill({ response, json: { ...(await response.json()), ...change } });
  });
